/** Reads values that came as JSON from elsewhere, field by field; what has another shape than expected is named by its place. */
import { SallyportError } from '../errors.ts';

/** What was stored or sent is none of ours. */
export class FieldMalformed extends SallyportError {
  readonly code = 'field-malformed';
}

export class Fields {
  readonly #at: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** `at` says what the value is, in errors. Throws FieldMalformed where it is no object. */
  constructor(value: unknown, at: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FieldMalformed(`${at} is no object`);
    this.#at = at;
    this.#fields = { ...value };
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  text(name: string): string {
    const value = this.#fields[name];
    return typeof value === 'string' ? value : this.#refuse(name, 'text');
  }

  oneOf<T extends string>(name: string, options: readonly T[]): T {
    const found = options.find((option) => option === this.#fields[name]);
    return found ?? this.#refuse(name, options.join(' or '));
  }

  /** Finite; JSON has no other, but a value may come from elsewhere. */
  number(name: string): number {
    const value = this.#fields[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : this.#refuse(name, 'a number');
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    return typeof value === 'boolean' ? value : this.#refuse(name, 'true or false');
  }

  texts(name: string): readonly string[] {
    return this.list(name, (value, at) => (typeof value === 'string' ? value : refuse(at, 'text')));
  }

  list<T>(name: string, read: (value: unknown, at: string) => T): readonly T[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) return this.#refuse(name, 'a list');
    return value.map((item: unknown, index) => read(item, `${this.#at}.${name}[${index}]`));
  }

  object(name: string): Fields {
    return new Fields(this.#fields[name], `${this.#at}.${name}`);
  }

  /** An object as it came: the caller says why its inside may be believed. */
  record(name: string): Readonly<Record<string, unknown>> {
    this.object(name);
    // It is an object, as the line above has found.
    return this.#fields[name] as Readonly<Record<string, unknown>>;
  }

  #refuse(name: string, wanted: string): never {
    return refuse(`${this.#at}.${name}`, wanted);
  }
}

function refuse(at: string, wanted: string): never {
  throw new FieldMalformed(`${at} is not ${wanted}`);
}
