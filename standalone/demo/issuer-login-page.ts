/** Where one picks who to be. */
import { createHash } from 'node:crypto';
import { PEOPLE } from './issuer-people.ts';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a}' +
  '.demo{background:#fff4d6;border:1px solid #d9a400;padding:.75rem 1rem;border-radius:.4rem}' +
  'button{display:block;width:100%;text-align:left;font:inherit;padding:.7rem 1rem;margin:.5rem 0;border:1px solid #888;border-radius:.4rem;background:#fff;cursor:pointer}' +
  'small{color:#555}';

/** No scripts, no framing, nothing from elsewhere. */
export const LOGIN_PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // No form-action: the answer to the form leads back to the console, which browsers count as part of it.
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'`,
} as const;

/** One button per person. The interaction's id is ours and of URL-safe characters. */
export function loginPage(uid: string): string {
  const people = PEOPLE.map(
    ({ email, name, role }) => `<button name="person" value="${email}"><b>${name}</b> &lt;${email}&gt;<br><small>${role}</small></button>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Demo sign-in</title><meta name="viewport" content="width=device-width"><style>${STYLE}</style></head>
<body><h1>Who are you?</h1>
<p class="demo"><b>This is the demo’s own sign-in.</b> Anyone may be anyone here. A real gateway sends approvers to your identity provider.</p>
<form method="post" action="/interaction/${encodeURIComponent(uid)}">
${people.join('\n')}
</form></body></html>
`;
}
