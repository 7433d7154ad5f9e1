import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
  AccountRecovery,
  FeaturePlan,
  Mfa,
  OAuthScope,
  StandardThreatProtectionMode,
  UserPool,
  UserPoolClient,
  UserPoolClientIdentityProvider,
  UserPoolIdentityProviderSaml,
  UserPoolIdentityProviderSamlMetadata,
} from 'aws-cdk-lib/aws-cognito';
import { Construct } from 'constructs';
import type { StageProps } from '../stages.ts';

export type SamlUserPoolProps = { readonly stage: StageProps; readonly name: string; readonly saml: NonNullable<StageProps['saml']> };

/**
 * Makes an OIDC issuer of a SAML provider. Nobody has a password here: people come from the provider, with their groups in
 * `custom:groups`. The issuer's URL goes into `sallyport.yaml` like any other.
 */
export class SamlUserPool extends Construct {
  readonly issuer: string;
  readonly clientId: string;

  constructor(scope: Construct, id: string, { stage, name, saml }: SamlUserPoolProps) {
    super(scope, id);
    const pool = new UserPool(this, 'Pool', {
      userPoolName: name,
      selfSignUpEnabled: false,
      signInAliases: { email: true },
      accountRecovery: AccountRecovery.NONE,
      mfa: Mfa.REQUIRED,
      mfaSecondFactor: { sms: false, otp: true },
      passwordPolicy: { minLength: 14, requireDigits: true, requireLowercase: true, requireUppercase: true, requireSymbols: true },
      featurePlan: FeaturePlan.PLUS,
      standardThreatProtectionMode: StandardThreatProtectionMode.FULL_FUNCTION,
      deletionProtection: stage.kind === 'production',
      removalPolicy: stage.kind === 'production' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const provider = new UserPoolIdentityProviderSaml(this, 'Provider', {
      userPool: pool,
      name: 'company',
      metadata: UserPoolIdentityProviderSamlMetadata.url(saml.metadataUrl),
    });
    pool.addDomain('Domain', { cognitoDomain: { domainPrefix: saml.domainPrefix } });
    const client = new UserPoolClient(this, 'Client', {
      userPool: pool,
      userPoolClientName: name,
      supportedIdentityProviders: [UserPoolClientIdentityProvider.custom(provider.providerName)],
      oAuth: {
        flows: { authorizationCodeGrant: true },
        scopes: [OAuthScope.OPENID, OAuthScope.EMAIL],
        callbackUrls: [...saml.callbackUrls],
      },
      // Approvals ask for a fresh sign-in anyway; a short life keeps a stolen one useless.
      idTokenValidity: Duration.minutes(15),
      accessTokenValidity: Duration.minutes(15),
      refreshTokenValidity: Duration.hours(1),
      enableTokenRevocation: true,
      preventUserExistenceErrors: true,
    });
    client.node.addDependency(provider);
    this.issuer = pool.userPoolProviderUrl;
    this.clientId = client.userPoolClientId;
  }
}
