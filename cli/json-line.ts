/** One JSON object as a line, in which nothing acts on a terminal. */

/** What JSON leaves as it is and a terminal may obey or hide: C1 controls, bidirectional and zero-width characters, lone parts. */
const UNSAFE = /[\u007f-\u009f\u00ad\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The same value for whoever parses it: these characters are written as escapes. Ends in a line feed. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value).replace(UNSAFE, escaped)}\n`;
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');
}
