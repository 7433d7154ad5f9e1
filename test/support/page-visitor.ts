import { followDemoSignIn } from '../../cli/approver-sign-in.ts';

/** A browser without scripts: keeps cookies by path, follows nothing by itself. */
export class PageVisitor {
  readonly #base: string;
  readonly #cookies = new Map<string, { readonly path: string; readonly value: string }>();

  constructor(base: string) {
    this.#base = base;
  }

  get(path: string): Promise<Response> {
    return this.#send(path, {});
  }

  /** As a form of the page does; `headers` override what a browser would send. */
  post(path: string, form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.#send(path, { method: 'POST', body: new URLSearchParams(form), headers: { origin: this.#base, ...headers } });
  }

  /** Signs in for an approval as one of the demo's people; the answer to the return from the issuer. */
  async signIn(approval: string, person: string): Promise<Response> {
    const away = await this.get(`/approvals/${approval}/sign-in`);
    const start = new URL(away.headers.get('location') ?? '');
    const back = await followDemoSignIn(start, person, `${this.#base}/`);
    return this.get(back.pathname + back.search);
  }

  /** The hidden field of the form on a page; empty where there is no form. */
  static csrfOf(page: string): string {
    return /name="csrf" value="([^"]*)"/.exec(page)?.[1] ?? '';
  }

  async #send(path: string, request: RequestInit): Promise<Response> {
    const sent = [...this.#cookies].filter(([, cookie]) => path.startsWith(cookie.path)).map(([name, { value }]) => `${name}=${value}`);
    const headers = new Headers(request.headers);
    headers.set('cookie', sent.join('; '));
    const response = await fetch(this.#base + path, { ...request, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.set(name, { value, path: /;\s*path=([^;]*)/i.exec(line)?.[1] ?? '/' });
    }
    return response;
  }
}
