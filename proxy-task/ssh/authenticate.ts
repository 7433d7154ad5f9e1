/** The authentication of one connection (RFC 4252, RFC 4256): requests in their order, a bound on them, one that is accepted. */
import type { AuthContext, AuthenticationType, Connection, KeyboardAuthContext, PublicKeyAuthContext } from 'ssh2';
import { MAX_AUTH_REQUESTS, MAX_LABEL_CHARACTERS } from './limits.ts';
import { isKindTaken, proveByKey, proveByPassword, type ProofPorts, type Proven, type Unproven } from './proofs.ts';
import { parseUserName, type UserName } from '../../core/ssh/user-name.ts';

export type Login = Proven & {
  readonly user: UserName;
  /** The user name as it was written. */
  readonly label: string;
};

export type Authentication = {
  readonly remoteAddress: string;
  readonly maxFailedAttempts: number;
  readonly ports: ProofPorts;
  /** The connection is to end: too many proofs failed, or too many requests came. */
  readonly onTooMany: (reason: string) => void;
  /** Called inside ssh2's `ready`: whoever listens for channels must do so before it returns. */
  readonly onLogin: (login: Login) => void;
};

export type AuthenticationState = {
  /** The user name that was asked with last, cut to what can be recorded. */
  readonly label: string;
  readonly failures: number;
  /** Why proofs were none, each reason once; empty where none was tried. */
  readonly reasons: readonly string[];
};

const METHODS: AuthenticationType[] = ['publickey', 'password', 'keyboard-interactive'];
const PROMPT = { prompt: 'One-time code or token: ', echo: false };

/** Answers every request of this connection; how it stands can be asked at any time. */
export function authenticate(connection: Connection, options: Authentication): () => AuthenticationState {
  const { remoteAddress, ports } = options;
  let label = '';
  let requests = 0;
  let failures = 0;
  const reasons = new Set<string>();
  let accepted: Login | undefined;

  const fail = (context: AuthContext, reason: string): void => {
    failures += 1;
    reasons.add(reason);
    if (failures >= options.maxFailedAttempts) options.onTooMany('too many failed attempts');
    else context.reject(METHODS);
  };

  const settle = (context: AuthContext, user: UserName, proof: Proven | Unproven): void => {
    if (proof.kind === 'unproven') {
      fail(context, proof.reason);
      return;
    }
    // A request that was overtaken by another is answered to nobody: only `ready` says that this one counted.
    accepted = { ...proof, user, label };
    context.accept();
    accepted = undefined;
  };

  /** What goes wrong here is ours: the client is refused as for any other reason. */
  const answer = (context: AuthContext, user: UserName, proof: Promise<Proven | Unproven>): void => {
    proof
      .then((outcome) => settle(context, user, outcome))
      .catch((error: unknown) => {
        ports.onError(error);
        fail(context, 'an error of the gateway');
      });
  };

  connection.on('authentication', (context) => {
    requests += 1;
    label = context.username.slice(0, MAX_LABEL_CHARACTERS);
    if (requests > MAX_AUTH_REQUESTS) {
      reasons.add('too many requests');
      options.onTooMany('too many requests');
      return;
    }
    if (context.method === 'none') {
      context.reject(METHODS);
      return;
    }
    const user = parseUserName(context.username);
    if (user === undefined) {
      fail(context, 'the user name is no name of a target');
      return;
    }
    switch (context.method) {
      case 'publickey':
        byKey(context, user);
        return;
      case 'password':
        // ssh2 hands over a change of password as an object.
        if (typeof context.password !== 'string') fail(context, 'a change of password');
        else answer(context, user, proveByPassword(context.password, ports));
        return;
      case 'keyboard-interactive':
        byAnswer(context, user);
        return;
      case 'hostbased':
        fail(context, 'the method is not offered');
        return;
    }
  });
  connection.on('ready', () => {
    if (accepted === undefined) connection.end();
    else options.onLogin(accepted);
  });

  function byKey(context: PublicKeyAuthContext, user: UserName): void {
    const algorithm = signatureAlgorithm(context);
    // ssh2 reads the next packet into the same memory.
    const blob = Buffer.from(context.key.data);
    if (context.signature === undefined || context.blob === undefined) {
      if (isKindTaken(algorithm, blob)) context.accept();
      else fail(context, 'a key or an algorithm of a kind that is not taken');
      return;
    }
    const shown = { algorithm, blob, signature: Buffer.from(context.signature), signed: Buffer.from(context.blob) };
    answer(context, user, proveByKey(shown, user, remoteAddress, ports));
  }

  function byAnswer(context: KeyboardAuthContext, user: UserName): void {
    context.prompt([PROMPT], 'Sallyport', '', (answers: unknown) => {
      // An error in place of answers: the client has begun another attempt.
      if (!Array.isArray(answers)) return;
      const given: unknown = answers[0];
      if (typeof given !== 'string' || answers.length > 1) fail(context, 'an answer to another question');
      else answer(context, user, proveByPassword(given, ports));
    });
  }

  return () => ({ label, failures, reasons: [...reasons] });
}

/** ssh2 calls RSA keys `ssh-rsa` and gives the hash beside; without one it is SHA-1, and stays `ssh-rsa`. */
function signatureAlgorithm({ key, hashAlgo }: PublicKeyAuthContext): string {
  if (key.algo !== 'ssh-rsa') return key.algo;
  return hashAlgo === 'sha256' ? 'rsa-sha2-256' : hashAlgo === 'sha512' ? 'rsa-sha2-512' : key.algo;
}
