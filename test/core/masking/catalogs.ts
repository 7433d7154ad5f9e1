/** Small catalogs for the tests of binding. */
import type { Catalog, Relation, SqlFunction } from '../../../core/statement/sql/catalog.ts';

type Given = { readonly oid: number; readonly name: string; readonly columns: readonly string[] } & Partial<
  Pick<Relation, 'schema' | 'kind' | 'viewDefinition' | 'parents' | 'children'>
> & { readonly notNull?: readonly string[]; readonly generated?: Readonly<Record<string, readonly string[]>> };

export function relation(given: Given): Relation {
  const { columns, notNull = [], generated = {}, ...rest } = given;
  return {
    schema: 'public',
    kind: 'table',
    rules: [],
    triggers: [],
    parents: [],
    children: [],
    rowSecurity: false,
    writeFunctions: [],
    readFunctions: [],
    uniqueKeys: [],
    constrained: [],
    temporary: false,
    estimatedRows: 0,
    definitionHash: '',
    ...rest,
    columns: columns.map((name, i) => {
      const from = generated[name];
      return {
        attnum: i + 1,
        name,
        typeOid: 25,
        notNull: notNull.includes(name),
        defaultFunctions: [],
        ...(from === undefined ? {} : { generatedFrom: from.map((source) => columns.indexOf(source) + 1) }),
      };
    }),
  };
}

export function sqlFunction(oid: number, name: string, body?: string): SqlFunction {
  return {
    oid,
    schema: 'public',
    name,
    kind: 'function',
    language: body === undefined ? 'plpgsql' : 'sql',
    volatility: 'stable',
    securityDefiner: false,
    argumentCount: 0,
    defaultCount: 0,
    variadic: false,
    argumentTypes: [],
    returnType: 25,
    returnsSet: true,
    settings: [],
    definitionHash: '',
    ...(body === undefined ? {} : { body }),
  };
}

export function catalogOf(relations: readonly Relation[], functions: readonly SqlFunction[] = []): Catalog {
  const byName = new Map<string, Map<string, Relation>>();
  for (const each of relations) byName.set(each.schema, (byName.get(each.schema) ?? new Map<string, Relation>()).set(each.name, each));
  return {
    major: 17,
    version: '',
    schemas: new Map(),
    relations: new Map(relations.map((each) => [each.oid, each])),
    relationsByName: byName,
    functionsByName: new Map(),
    functions: new Map(functions.map((each) => [each.oid, each])),
    types: new Map(),
    userOperatorsByName: new Map(),
    userCasts: [],
  };
}
