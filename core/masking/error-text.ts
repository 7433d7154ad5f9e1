/**
 * ErrorResponse and NoticeResponse of targets with masks: messages may quote rows (`Key (ssn)=(…)`, `invalid input
 * syntax for type integer: "…"`), so their text is rebuilt from what can hold no data (design §7).
 */
import { conditionName, plainCode } from './condition-names.ts';
import { NO_DETECTORS, redactText, type DetectorSet } from './detectors.ts';

/** Fields by their type byte (protocol.sgml, "Error and Notice Message Fields"): `C` SQLSTATE, `M` message … */
export type MessageFields = ReadonlyMap<string, string>;

/**
 * Classes whose text quotes the client's own words, or nothing: connection (08), cursor state (24), transaction state (25),
 * statement and cursor names (26, 34), login (28), savepoints (3B), rollback (40), syntax and access (42), resources and
 * limits (53, 54), prerequisite state (55), intervention (57). 42 holds only at the top (see `isInner`), and for the codes
 * below only with a position in the client's text.
 */
const TEXT_KEPT: ReadonlySet<string> = new Set(['08', '24', '25', '26', '28', '34', '3B', '40', '42', '53', '54', '55', '57']);

/**
 * Also raised at run time, about a value that is looked up or parsed as a name, a type, a tsquery or a jsonpath: then the
 * message quotes the value (`select ssn::regclass`), and has no position.
 */
const TEXT_KEPT_WITH_POSITION: ReadonlySet<string> = new Set(['42601', '42602', '42622', '42703', '42704', '42725', '42883', '42P01']);

/** Severities, SQLSTATE, position in the client's own text, and places in PostgreSQL's source. */
const ALWAYS_KEPT: ReadonlySet<string> = new Set(['S', 'V', 'C', 'P', 'F', 'L', 'R']);
const NAMES = [
  ['s', 'schema'],
  ['t', 'table'],
  ['c', 'column'],
  ['d', 'type'],
  ['n', 'constraint'],
] as const;
const TEXTS: ReadonlySet<string> = new Set(['M', 'D', 'H', 'W', 'q']);

/**
 * The fields as they may be released. With masks: DETAIL, HINT, context, internal query and its position are dropped always;
 * the message stays only in the classes above and only at the top level; else it is SQLSTATE's condition and object names.
 * Without masks the detectors run on every text.
 */
export function maskMessage(fields: MessageFields, hasMasks: boolean, detectors: DetectorSet = NO_DETECTORS): MessageFields {
  const masked = new Map<string, string>();
  if (!hasMasks) {
    for (const [field, text] of fields) masked.set(field, TEXTS.has(field) ? redactText(text, detectors) : text);
    return masked;
  }
  const inner = isInner(fields);
  const code = inner ? plainCode(fields.get('C') ?? '') : (fields.get('C') ?? '');
  for (const [field, text] of fields) if (ALWAYS_KEPT.has(field)) masked.set(field, field === 'C' ? code : text);
  masked.set('M', keepsText(code, fields.has('P')) && !inner ? redactText(fields.get('M') ?? '', detectors) : rebuilt(code, fields, inner));
  if (!inner) {
    for (const [field] of NAMES) {
      const name = fields.get(field);
      if (name !== undefined) masked.set(field, name);
    }
  }
  return masked;
}

/**
 * Raised in code that ran inside the statement: RAISE chooses SQLSTATE, message and even object names freely, and dynamic
 * SQL puts data into syntax errors.
 */
function isInner(fields: MessageFields): boolean {
  return fields.has('W') || fields.has('q');
}

function keepsText(code: string, hasPosition: boolean): boolean {
  if (!hasPosition && TEXT_KEPT_WITH_POSITION.has(code)) return false;
  return /^[0-9A-Z]{5}$/.test(code) && TEXT_KEPT.has(code.slice(0, 2));
}

function rebuilt(code: string, fields: MessageFields, inner: boolean): string {
  const names = inner ? [] : NAMES.flatMap(([field, word]) => (fields.has(field) ? [`${word} "${fields.get(field) ?? ''}"`] : []));
  const where = names.length === 0 ? '' : ` (${names.join(', ')})`;
  return `${conditionName(code)}${where}; the text is withheld, since this target has masked columns`;
}
