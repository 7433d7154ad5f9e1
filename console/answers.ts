/** How the console refuses: `{error: {code, message, fix}}`, or a page that says the same. */
import type { Context } from 'hono';
import { html } from './markup.ts';
import { page } from './layout.ts';

/** `fix` is the next step in words. */
export type Refusal = {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 421 | 502 | 503;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
};

export const NOT_FOUND: Refusal = { status: 404, code: 'not-found', message: 'There is no such thing here.', fix: 'Check the address.' };
export const NO_APPROVAL: Refusal = {
  status: 404,
  code: 'approval-not-found',
  message: 'There is no approval with this id.',
  fix: 'Take the link from the notice, or list them with `sallyport approvals`.',
};
export const TOO_LONG: Refusal = { status: 413, code: 'too-long', message: 'The request is too long.', fix: 'Send at most 64 KiB.' };
export const WRONG_HOST: Refusal = {
  status: 421,
  code: 'wrong-host',
  message: 'This console is not known by that name.',
  fix: 'Use the address of the console in the configuration.',
};
export const UNAVAILABLE: Refusal = {
  status: 503,
  code: 'unavailable',
  message: 'The gateway cannot answer now.',
  fix: 'Try again; if it stays so, read the log of the gateway.',
};

/** A request that breaks the form of the API. */
export function badRequest(message: string): Refusal {
  return {
    status: 400,
    code: 'bad-request',
    message: `The request is not understood: ${message}.`,
    fix: 'See docs/console.md.',
  };
}

/** For `/v1`. */
export function refuseJson(context: Context, { status, code, message, fix }: Refusal): Response {
  return context.json({ error: { code, message, fix } }, status);
}

/** For people. */
export function refusePage(context: Context, { status, message, fix }: Refusal): Response {
  return context.html(
    page(
      'Not possible',
      html`<h1>${message}</h1>
        <p>${fix}</p>`,
    ),
    status,
  );
}
