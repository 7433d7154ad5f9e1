/** Settings of the account under test, and AWS's own command, which brings its credentials. */
import { execFile } from 'node:child_process';
import { isObject, jsonOf, type Json, type JsonObject } from '../support/state-machine/json-value.ts';

/** The value of a setting; throws naming it where it is missing. */
export function setting(name: string, means: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: ${means} (docs/deploy.md, "Prove it")`);
  return value;
}

/** The answer of `aws <args>`. Rejects with what it said where it failed, or is not installed. */
export function aws(...args: readonly string[]): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const given = [...args, '--region', setting('AWS_REGION', 'the region of the deployment'), '--output', 'json'];
    execFile('aws', given, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error !== null) {
        const missing = 'code' in error && error.code === 'ENOENT';
        reject(new Error(missing ? 'the command `aws` (version 2) is not installed' : stderr.trim()));
        return;
      }
      const answer = stdout.trim() === '' ? {} : jsonOf(JSON.parse(stdout));
      resolve(isObject(answer) ? answer : {});
    });
  });
}

/** What AWS said when it refused. */
export function refusal(...args: readonly string[]): Promise<string> {
  return aws(...args).then(
    () => 'it was done',
    (error: unknown) => String(error),
  );
}

/** The objects of a list in an answer. */
export function listOf(answer: JsonObject, name: string): readonly JsonObject[] {
  const list = answer[name];
  return Array.isArray(list) ? list.filter((each: Json) => isObject(each)) : [];
}
