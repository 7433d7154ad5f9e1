/** How the API reads a request: a JSON object of strings, and a bearer token. */
import type { Context } from 'hono';
import { badRequest, type Refusal } from './answers.ts';

/** Real tokens have a few hundred to a few thousand characters. */
export const MAX_TOKEN_CHARACTERS = 16_384;

export type Fields = { readonly fields: Readonly<Record<string, string | undefined>> };

/** An object of strings with these keys and no others. */
export async function jsonBody(context: Context, keys: readonly string[]): Promise<Fields | Refusal> {
  // Also keeps other sites' forms out: they cannot send this type without asking first.
  if (!/^application\/json\s*(;|$)/i.test(context.req.header('content-type') ?? '')) {
    return { status: 415, code: 'not-json', message: 'The body is not JSON.', fix: 'Send `content-type: application/json`.' };
  }
  let body: unknown;
  try {
    body = JSON.parse(await context.req.text());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return badRequest('the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return badRequest('the body is not an object');
  const fields: Record<string, string> = {};
  for (const [key, value] of Object.entries(body)) {
    if (!keys.includes(key)) return badRequest(`${JSON.stringify(key)} is not known here`);
    if (typeof value !== 'string') return badRequest(`${key} is not a string`);
    fields[key] = value;
  }
  return { fields };
}

/** The bearer token of the request; empty where there is none. */
export function bearer(context: Context): string {
  return /^Bearer ([\x21-\x7e]+)$/.exec(context.req.header('authorization') ?? '')?.[1] ?? '';
}
