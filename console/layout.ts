/** The frame of every page. No script, nothing from elsewhere. */
import { html, type Markup } from './markup.ts';

export const STYLE_PATH = '/console.css';

/** Sent with every answer of the console. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // The id in the address is what lets one read the page: it goes to no other site.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** A whole document. */
export function page(title: string, body: Markup): string {
  const document = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <title>${title} · Sallyport</title>
      <meta name="viewport" content="width=device-width" />
      <meta name="robots" content="noindex" />
      <link rel="stylesheet" href="${STYLE_PATH}" />
    </head>
    <body>
      <main>${body}</main>
    </body>
  </html>`;
  return `<!doctype html>\n${document.toString()}\n`;
}

// Statements are forced left to right, character by character: letters of right-to-left scripts must not reorder SQL.
export const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #888; border-radius: .3rem; padding: .75rem; font-size: .95rem; }
pre, code { unicode-bidi: bidi-override; direction: ltr; }
pre bdi, code bdi { unicode-bidi: bidi-override; direction: ltr; }
mark { background: #b00020; color: #fff; border-radius: .2rem; padding: 0 .2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; } dt { color: #777; } dd { margin: 0; overflow-wrap: anywhere; }
ul.effects { list-style: none; padding: 0; } ul.effects li { padding: .35rem .75rem; border-left: .3rem solid #b00020; margin: .3rem 0; }
.state { border: 1px solid #888; border-radius: .3rem; padding: .75rem 1rem; } .warn { color: #b00020; font-weight: 600; }
textarea { width: 100%; box-sizing: border-box; font: inherit; min-height: 5rem; }
button, a.button { font: inherit; padding: .5rem 1.2rem; border: 1px solid #888; border-radius: .3rem; cursor: pointer; text-decoration: none; display: inline-block; margin-right: .75rem; }
`;
