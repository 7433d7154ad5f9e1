/** Rows of pg_class and what belongs to relations → relations. */
import { hash } from 'node:crypto';
import type { Oid, Relation, RelationColumn, SqlTrigger } from './catalog.ts';
import { CLASS, type RelationSection, type Rows } from './catalog-query.ts';
import { addCode, sorted, type CodeSources, type Dependencies, type Dependency } from './code-reach.ts';
import { byOid, flag, integer, integers, SnapshotMalformed, text, textOrNull, type Row } from './snapshot-rows.ts';

export type RelationRows = { readonly [name in RelationSection]: Rows };

const KINDS: { readonly [relkind: string]: Relation['kind'] } = {
  r: 'table',
  p: 'partitioned',
  v: 'view',
  m: 'materialized',
  f: 'foreign',
  S: 'sequence',
  i: 'index',
  I: 'index',
  c: 'composite',
  t: 'toast',
};
/** Kinds whose `reltuples` says something. */
const COUNTED: ReadonlySet<string> = new Set(['r', 'p', 'm', 'f']);
const RULE_EVENTS: { readonly [evType: string]: 'select' | 'update' | 'insert' | 'delete' } = {
  1: 'select',
  2: 'update',
  3: 'insert',
  4: 'delete',
};
/** Bits of pg_trigger.tgtype (`catalog/pg_trigger.h`). */
const TRIGGER_EVENTS = [
  ['insert', 1 << 2],
  ['delete', 1 << 3],
  ['update', 1 << 4],
  ['truncate', 1 << 5],
] as const;
/**
 * Internal triggers that only check: RI_FKey_check_ins/_upd, _restrict_del/_upd, _noaction_del/_upd, unique_key_recheck.
 * The others (cascades, SET NULL, SET DEFAULT) write to another table and stay in the list.
 */
const CHECKING_TRIGGERS: ReadonlySet<Oid> = new Set([1644, 1645, 1648, 1649, 1654, 1655, 1250]);

export type RelationSources = CodeSources & { readonly isChecked: (type: Oid) => boolean };

/** How many relations are built between two pauses: a few milliseconds' worth. */
const RELATIONS_PER_STEP = 256;

/** All relations by OID, in the order of the rows. Yields where the caller may let others run. */
export function* relationSteps(
  rows: RelationRows,
  dependencies: Dependencies,
  sources: RelationSources,
): Generator<undefined, ReadonlyMap<Oid, Relation>> {
  const parts: Parts = {
    columns: byOid(rows.columns, 0),
    views: byOid(rows.views, 0),
    rules: byOid(rows.rules, 0),
    triggers: byOid(rows.triggers, 1),
    parents: byOid(rows.inherits, 0),
    children: byOid(rows.inherits, 1),
    indexes: byOid(rows.indexes, 1),
    constraints: byOid(rows.constraints, 1),
    referencing: byOid(
      rows.constraints.filter((row) => text(row, 3) === 'f'),
      5,
    ),
    defaults: byOid(rows.defaults, 1),
    policies: byOid(rows.policies, 1),
  };
  const relations = new Map<Oid, Relation>();
  for (const row of rows.relations) {
    relations.set(integer(row, 0), buildRelation(row, parts, dependencies, sources));
    if (relations.size % RELATIONS_PER_STEP === 0) yield;
  }
  return relations;
}

type Parts = {
  readonly [
    name in
      | 'columns'
      | 'views'
      | 'rules'
      | 'triggers'
      | 'parents'
      | 'children'
      | 'indexes'
      | 'constraints'
      | 'referencing'
      | 'defaults'
      | 'policies'
  ]: ReadonlyMap<Oid, readonly Row[]>;
};

function buildRelation(row: Row, parts: Parts, dependencies: Dependencies, sources: RelationSources): Relation {
  const oid = integer(row, 0);
  const relkind = text(row, 3);
  const kind = KINDS[relkind];
  if (kind === undefined) throw new SnapshotMalformed(`relation ${oid} is of an unknown kind`);
  const own = (name: keyof Parts): readonly Row[] => parts[name].get(oid) ?? [];
  const columnRows = own('columns');
  const viewDefinition = own('views')[0]?.[1] ?? undefined;
  const columns = columnRows.map((column) => buildColumn(column, own('defaults'), dependencies, sources));
  const definition = {
    oid,
    schema: text(row, 2),
    name: text(row, 1),
    kind,
    columns,
    ...(viewDefinition === undefined ? {} : { viewDefinition }),
    rules: own('rules').map((rule) => ({ name: text(rule, 1), event: ruleEvent(rule) })),
    triggers: own('triggers').flatMap(buildTrigger),
    parents: own('parents').map((link) => integer(link, 1)),
    children: own('children').map((link) => integer(link, 0)),
    rowSecurity: flag(row, 6),
    ...writeAndReadFunctions(oid, own, columns, dependencies, sources),
    ...keys(own, columns, dependencies, sources),
    cascades: own('referencing').flatMap(buildCascades),
    temporary: text(row, 4) === 't',
  };
  const reltuples = COUNTED.has(relkind) ? Number(text(row, 5)) : -1;
  return {
    ...definition,
    estimatedRows: Number.isFinite(reltuples) && reltuples >= 0 ? reltuples : -1,
    definitionHash: relationHash(definition, own, sources),
  };
}

function buildColumn(row: Row, defaults: readonly Row[], dependencies: Dependencies, sources: CodeSources): RelationColumn {
  const relation = integer(row, 0);
  const attnum = integer(row, 1);
  const defaultRow = defaults.find((candidate) => integer(candidate, 2) === attnum);
  const behind = defaultRow === undefined ? [] : dependencies.of(CLASS.default, integer(defaultRow, 0));
  const functions = new Set<Oid>();
  addCode(functions, behind, sources);
  return {
    attnum,
    name: text(row, 2),
    typeOid: integer(row, 3),
    notNull: flag(row, 4),
    ...(text(row, 5) === '' ? {} : { generatedFrom: generatedFrom(relation, attnum, behind, dependencies) }),
    defaultFunctions: sorted(functions),
  };
}

function generatedFrom(relation: Oid, attnum: number, behind: readonly Dependency[], dependencies: Dependencies): number[] {
  const fromColumn = dependencies.of(CLASS.relation, relation).filter((dependency) => dependency.column === attnum);
  const columns = [...behind, ...fromColumn].flatMap(({ refClass, refOid, refColumn }) =>
    refClass === CLASS.relation && refOid === relation && refColumn > 0 && refColumn !== attnum ? [refColumn] : [],
  );
  return sorted(new Set(columns));
}

function ruleEvent(row: Row): 'select' | 'update' | 'insert' | 'delete' {
  const event = RULE_EVENTS[text(row, 2)];
  if (event === undefined) throw new SnapshotMalformed(`rule ${text(row, 1)} is for an unknown event`);
  return event;
}

function buildTrigger(row: Row): SqlTrigger[] {
  const functionOid = integer(row, 3);
  if (flag(row, 6) && CHECKING_TRIGGERS.has(functionOid)) return [];
  const bits = integer(row, 4);
  return [
    {
      name: text(row, 2),
      functionOid,
      events: TRIGGER_EVENTS.flatMap(([event, bit]) => ((bits & bit) === 0 ? [] : [event])),
      enabled: text(row, 5) !== 'D',
    },
  ];
}

type Cascade = NonNullable<Relation['cascades']>[number];

function buildCascades(row: Row): Cascade[] {
  const relation = integer(row, 1);
  const cascades: Cascade[] = [];
  const onUpdate = text(row, 6);
  const onDelete = text(row, 7);
  if (onUpdate !== 'a' && onUpdate !== 'r') cascades.push({ on: 'update', relation, effect: 'update' });
  if (onDelete === 'c') cascades.push({ on: 'delete', relation, effect: 'delete' });
  else if (onDelete !== 'a' && onDelete !== 'r') cascades.push({ on: 'delete', relation, effect: 'update' });
  return cascades;
}

type Own = (name: keyof Parts) => readonly Row[];

function writeAndReadFunctions(
  oid: Oid,
  own: Own,
  columns: readonly RelationColumn[],
  dependencies: Dependencies,
  sources: CodeSources,
): Pick<Relation, 'writeFunctions' | 'readFunctions'> {
  const write = new Set<Oid>();
  const read = new Set<Oid>();
  const behind = (classOid: number, rows: readonly Row[], into: Set<Oid>) => {
    for (const row of rows) addCode(into, dependencies.of(classOid, integer(row, 0)), sources);
  };
  // Column types depend on their column; what is left for the relation as a whole is partition keys and typed tables.
  addCode(
    write,
    dependencies.of(CLASS.relation, oid).filter((dependency) => dependency.column === 0),
    sources,
  );
  behind(CLASS.constraint, own('constraints'), write);
  behind(CLASS.relation, own('indexes'), write);
  behind(CLASS.policy, own('policies'), write);
  behind(CLASS.policy, own('policies'), read);
  for (const trigger of own('triggers')) {
    const functionOid = integer(trigger, 3);
    const condition = dependencies.of(CLASS.trigger, integer(trigger, 0));
    addCode(
      write,
      condition.filter(({ refClass, refOid }) => refClass !== CLASS.procedure || refOid !== functionOid),
      sources,
    );
  }
  for (const column of columns) {
    for (const code of sources.typeCode(column.typeOid)) write.add(code);
    if (column.generatedFrom === undefined) continue;
    // A virtual generated column (PostgreSQL 18) is computed on reading, a stored one on writing.
    for (const code of column.defaultFunctions) write.add(code);
    if (own('columns').some((row) => integer(row, 1) === column.attnum && text(row, 5) === 'v')) {
      for (const code of column.defaultFunctions) read.add(code);
    }
  }
  return { writeFunctions: sorted(write), readFunctions: sorted(read) };
}

function keys(
  own: Own,
  columns: readonly RelationColumn[],
  dependencies: Dependencies,
  sources: RelationSources,
): Pick<Relation, 'uniqueKeys' | 'constrained' | 'checkedTogether' | 'references'> {
  const uniqueKeys: number[][] = [];
  const checkedTogether: (readonly number[])[] = [];
  const references: NonNullable<Relation['references']>[number][] = [];
  const constrained = new Set<number>();
  for (const index of own('indexes')) {
    const [unique, exclusion] = [flag(index, 4), flag(index, 5)];
    if (!unique && !exclusion) continue;
    const key = integers(index, 2).slice(0, integer(index, 3));
    if (unique && !exclusion && flag(index, 6) && key.every((attnum) => attnum > 0)) {
      uniqueKeys.push(key);
      continue;
    }
    // Partial, on an expression, or not in force yet: no key to look up by, and still something that writing reveals.
    const behind = dependencies.of(CLASS.relation, integer(index, 0));
    const read = [...key, ...behind.map(({ refClass, refColumn }) => (refClass === CLASS.relation ? refColumn : 0))].filter(
      (one) => one > 0,
    );
    for (const attnum of read) constrained.add(attnum);
    checkedTogether.push(sorted(new Set(read)));
  }
  for (const constraint of own('constraints')) {
    const type = text(constraint, 3);
    if (type !== 'c' && type !== 'x' && type !== 'f') continue;
    const attnums = integers(constraint, 4);
    // A check without columns of its own can read the whole row.
    const read = type === 'c' && attnums.length === 0 ? columns.map((column) => column.attnum) : attnums;
    for (const attnum of read) constrained.add(attnum);
    checkedTogether.push(read);
    if (type === 'f') references.push({ columns: attnums, relation: integer(constraint, 5), referenced: integers(constraint, 8) });
  }
  for (const column of columns) if (sources.isChecked(column.typeOid)) constrained.add(column.attnum);
  return { uniqueKeys, constrained: sorted(constrained), checkedTogether: checkedTogether.filter((read) => read.length > 1), references };
}

/**
 * The number of rows is no part of a definition. Expressions count by the transaction that last wrote them, and
 * functions by their own hashes, so that a body replaced behind a trigger or a check shows.
 */
function relationHash(definition: Omit<Relation, 'estimatedRows' | 'definitionHash'>, own: Own, sources: CodeSources): string {
  const functions = new Set([
    ...definition.writeFunctions,
    ...definition.readFunctions,
    ...definition.triggers.map((trigger) => trigger.functionOid),
    ...definition.columns.flatMap((column) => column.defaultFunctions),
  ]);
  return hash(
    'sha256',
    JSON.stringify([
      definition,
      sorted(functions).map((oid) => sources.functions.get(oid)?.definitionHash ?? oid),
      own('views').map((row) => textOrNull(row, 2)),
      own('columns').map((row) => text(row, 5)),
      (['rules', 'triggers', 'indexes', 'constraints', 'defaults', 'policies'] as const).map((name) =>
        own(name).map((row) => [text(row, 0), row.at(-1)]),
      ),
    ]),
  );
}
