/** One thing wrong with the configuration: where it stands, what it is, and how to put it right. */
export type ConfigError = {
  /** Path below the configuration directory, with forward slashes. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units as editors count. */
  readonly column: number;
  readonly message: string;
  /** The next step in words. */
  readonly fix: string;
};

/** `policies/bank.cedar:12:3: message. Fix: …`, as compilers print it. */
export function formatConfigError(error: ConfigError): string {
  return `${error.file}:${error.line}:${error.column}: ${error.message}. Fix: ${error.fix}.`;
}

/** Line and column of an offset in UTF-16 code units; offsets past the end are the end. */
export function positionAt(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, Math.max(0, offset));
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: before.length - lineStart + 1 };
}
