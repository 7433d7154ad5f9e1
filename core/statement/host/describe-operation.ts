/** An operation on a host in one text: what people read before they decide, and what the recording calls it. */
import { visibleText } from '../../approval/visible.ts';
import type { HostOperation, RefUpdate } from './host-operation.ts';

const NO_OBJECT = /^0+$/;
const VERBS = {
  read: 'read',
  list: 'list',
  write: 'write',
  rename: 'rename',
  remove: 'remove',
  makeFolder: 'make folder',
  removeFolder: 'remove folder',
  setAttributes: 'set attributes of',
} as const;

/**
 * A command is its own text, as it was received; whoever shows it escapes it. Everything else is written out here, with names in
 * quotes, so that no name can pass for another part of the text.
 */
export function describeOperation(operation: HostOperation): string {
  switch (operation.kind) {
    case 'exec':
      return operation.command;
    case 'shell':
      return 'interactive shell';
    case 'transfer':
      return operation.command === '' ? `start of ${operation.by}` : operation.command;
    case 'file': {
      const { by, action, paths, recursive, attributes } = operation;
      const set = attributes === undefined ? '' : `: ${visibleText(attributes, false)}`;
      return `${by} ${VERBS[action]} ${paths.map(quoted).join(action === 'rename' ? ' to ' : ' or ')}${recursive ? ' with all below it' : ''}${set}`;
    }
    case 'gitFetch':
      return `git fetch ${quoted(operation.repository)}`;
    case 'gitPush':
      return [
        `git push ${quoted(operation.repository)}`,
        ...operation.updates.map((update) => `  ${describeUpdate(update)}`),
        ...(operation.options ?? []).map((option) => `  option ${quoted(option)}`),
      ].join('\n');
    case 'forward':
      return `forward to ${quoted(operation.endpoint)}`;
  }
}

function describeUpdate({ ref, from, to, change }: RefUpdate): string {
  // Whole ids: an agent could make another commit whose id begins as the one that was reviewed.
  const ids = [from, to].filter((id) => !NO_OBJECT.test(id)).map((id) => visibleText(id, false));
  return `${change} ${quoted(ref)} ${ids.join(' → ')}`;
}

/** In quotes, with what would hide or reorder text as escapes. */
function quoted(text: string): string {
  return visibleText(JSON.stringify(text), false);
}
