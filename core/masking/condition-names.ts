/** Names of SQLSTATEs as PostgreSQL's appendix "Error Codes" has them, for those whose messages can quote data. */
const CONDITIONS: Readonly<Record<string, string>> = {
  '00000': 'successful completion',
  '01000': 'warning',
  '0A000': 'feature not supported',
  '21000': 'cardinality violation',
  '22000': 'data exception',
  '22001': 'string data right truncation',
  '22003': 'numeric value out of range',
  '22004': 'null value not allowed',
  '22007': 'invalid datetime format',
  '22008': 'datetime field overflow',
  '22012': 'division by zero',
  '22021': 'character not in repertoire',
  '22023': 'invalid parameter value',
  '22026': 'string data length mismatch',
  '2201B': 'invalid regular expression',
  '22030': 'duplicate JSON object key value',
  '22032': 'invalid JSON text',
  '22P02': 'invalid text representation',
  '22P03': 'invalid binary representation',
  '22P04': 'bad COPY file format',
  '23000': 'integrity constraint violation',
  '23001': 'restrict violation',
  '23502': 'not-null violation',
  '23503': 'foreign key violation',
  '23505': 'unique violation',
  '23514': 'check violation',
  '23P01': 'exclusion violation',
  '42601': 'syntax error',
  '42602': 'invalid name',
  '42622': 'name too long',
  '42703': 'undefined column',
  '42704': 'undefined object',
  '42725': 'ambiguous function',
  '42883': 'undefined function',
  '42P01': 'undefined table',
  '44000': 'WITH CHECK OPTION violation',
  P0001: 'raised exception',
  P0002: 'no data found',
  P0003: 'too many rows',
  P0004: 'assert failure',
  XX000: 'internal error',
  XX001: 'data corrupted',
  XX002: 'index corrupted',
};

const CLASSES: Readonly<Record<string, string>> = {
  '00': 'successful completion',
  '01': 'warning',
  '02': 'no data',
  '08': 'connection exception',
  '0A': 'feature not supported',
  '21': 'cardinality violation',
  '22': 'data exception',
  '23': 'integrity constraint violation',
  '25': 'invalid transaction state',
  '28': 'invalid authorization specification',
  '38': 'external routine exception',
  '39': 'external routine invocation exception',
  '40': 'transaction rollback',
  '42': 'syntax error or access rule violation',
  '44': 'WITH CHECK OPTION violation',
  '53': 'insufficient resources',
  '54': 'program limit exceeded',
  '55': 'object not in prerequisite state',
  '57': 'operator intervention',
  '58': 'system error',
  HV: 'foreign data wrapper error',
  P0: 'PL/pgSQL error',
  XX: 'internal error',
};

/**
 * The code where it is one that PostgreSQL raises by itself or has a name here, else its class's plain one: RAISE chooses all
 * five characters, which is room for a part of a value.
 */
export function plainCode(code: string): string {
  if (CONDITIONS[code] !== undefined || RETRIED.has(code)) return code;
  return CLASSES[code.slice(0, 2)] === undefined ? 'P0001' : `${code.slice(0, 2)}000`;
}

/** Codes that clients act on: they retry, reconnect or ask for other rights. */
const RETRIED: ReadonlySet<string> = new Set([
  '25001',
  '25006',
  '25P01',
  '25P02',
  '40001',
  '40002',
  '40003',
  '40P01',
  '42501',
  '42804',
  '53100',
  '53200',
  '53300',
  '54001',
  '55000',
  '55006',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
]);

/** The condition's name, its class's name, or a plain word for codes that code of the target made up. */
export function conditionName(code: string): string {
  return CONDITIONS[code] ?? CLASSES[code.slice(0, 2)] ?? 'error of the target';
}
