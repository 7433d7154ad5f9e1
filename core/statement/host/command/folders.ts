/** `/a/b/../c` by its text alone, as the shell changes to it: `/a/c`, whatever `b` links to. */
export function collapse(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
