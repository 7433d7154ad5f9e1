/** The emulator that `npm run test:aws` started, for suites and for the processes that they start. */

/** `http://127.0.0.1:<port>` */
export function motoUrl(): string {
  const url = process.env['SALLYPORT_TEST_MOTO'];
  if (url === undefined) throw new Error('no emulator of AWS runs: start this suite with npm run test:aws');
  return url;
}

/** Environment with which the AWS SDK speaks to the emulator; nobody checks these credentials. */
export function awsEnvironment(): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL: motoUrl(),
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    // No credentials of the machine, and no look for its metadata service.
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_CONFIG_FILE: '/dev/null',
  };
}

/** Puts that environment into this process, for clients made after it. */
export function useMoto(): void {
  Object.assign(process.env, awsEnvironment());
}

/** Forgets all tables, buckets, keys and secrets. Suites run one after the other, so each starts from nothing. */
export async function resetMoto(): Promise<void> {
  const response = await fetch(`${motoUrl()}/moto-api/reset`, { method: 'POST' });
  if (!response.ok) throw new Error(`the emulator did not reset: ${response.status}`);
}
