/** A sweeper records what it found of a dead writer as a writer of its own, one for each that died. */
const PREFIX = 'sweep-';

export function sweepWriter(dead: string): string {
  return `${PREFIX}${dead}`;
}

/** The dead writer that this one speaks of; undefined where it is no sweeper. */
export function sweptWriter(writer: string): string | undefined {
  return writer.startsWith(PREFIX) ? writer.slice(PREFIX.length) : undefined;
}
