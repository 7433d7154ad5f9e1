/** What a client sets for a channel with `env` requests (RFC 4254 §6.4): variables for the host, and words to the gateway itself. */

/** Settings of the gateway (design §3); never forwarded. */
export type ChannelSettings = { readonly reason: string; readonly approval: 'wait' | 'failfast'; readonly approvalId: string };

/** Before the names of our own. */
const OURS = 'SALLYPORT_';
/** What git's clients send to choose among versions of its protocol (gitprotocol-v2, "SSH"). */
const GIT_PROTOCOL = 'GIT_PROTOCOL';
const MAX_VARIABLES = 64;
const MAX_VALUE_CHARACTERS = 1_024;
const MAX_REASON_CHARACTERS = 1_000;
/** Without these, a value could not end a line of a log, or start an escape of a terminal. */
const PRINTABLE = /^[^\p{Cc}\uFFFD]*$/u;

export class ChannelEnvironment {
  readonly #allowed: readonly string[];
  readonly #variables = new Map<string, string>();
  #gitProtocol: string | undefined;
  #isGit = false;
  #reason = '';
  #approval: ChannelSettings['approval'] = 'wait';
  #approvalId = '';

  /** Names in capitals; `LC_*` is every name that starts so. */
  constructor(allowed: readonly string[]) {
    this.#allowed = allowed;
  }

  /** False where it is refused. */
  set(name: string, value: string): boolean {
    if (value.length > MAX_VALUE_CHARACTERS || !PRINTABLE.test(value)) return false;
    if (!name.startsWith(OURS)) return this.#setForHost(name, value);
    switch (name.slice(OURS.length)) {
      case 'REASON':
        this.#reason = value.slice(0, MAX_REASON_CHARACTERS);
        return true;
      case 'APPROVAL':
        if (value !== 'wait' && value !== 'failfast') return false;
        this.#approval = value;
        return true;
      case 'APPROVAL_ID':
        if (!/^(?:ap_[0-9A-Z]{26})?$/.test(value)) return false;
        this.#approvalId = value;
        return true;
      default:
        return false;
    }
  }

  get settings(): ChannelSettings {
    return { reason: this.#reason, approval: this.#approval, approvalId: this.#approvalId };
  }

  /** What starts is git's own program, which may be told of the version of its protocol that the client prefers. */
  startGit(): void {
    this.#isGit = true;
  }

  /** What the program gets, in the order of the names: what an approval is bound to. */
  get variables(): readonly (readonly [name: string, value: string])[] {
    const forGit = this.#isGit && this.#gitProtocol !== undefined ? [[GIT_PROTOCOL, this.#gitProtocol] as const] : [];
    return [...this.#variables, ...forGit].sort(([one], [other]) => (one < other ? -1 : 1));
  }

  #isAllowed(name: string): boolean {
    return /^[A-Z][A-Z0-9_]{0,63}$/.test(name) && this.#allowed.some((pattern) => matches(pattern, name));
  }

  #setForHost(name: string, value: string): boolean {
    // Kept until it is known what starts: other programs that run git would pass it on to hosts of their own.
    if (name === GIT_PROTOCOL && /^version=[012]$/.test(value)) {
      this.#gitProtocol = value;
      return true;
    }
    if (!this.#isAllowed(name)) return false;
    if (!this.#variables.has(name) && this.#variables.size >= MAX_VARIABLES) return false;
    this.#variables.set(name, value);
    return true;
  }
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
