/** What PostgreSQL calls an output column that has no name of its own (`FigureColname` in parse_target.c). */
import { as, bodyOf, items, nameParts, stringNode, tagOf, text } from './ast.ts';

const UNNAMED = '?column?';

const FIXED: ReadonlyMap<string, string> = new Map([
  ['A_ArrayExpr', 'array'],
  ['CoalesceExpr', 'coalesce'],
  ['GroupingFunc', 'grouping'],
  ['RowExpr', 'row'],
  ['XmlSerialize', 'xmlserialize'],
  ['JsonParseExpr', 'json'],
  ['JsonScalarExpr', 'json_scalar'],
  ['JsonSerializeExpr', 'json_serialize'],
  ['JsonObjectConstructor', 'json_object'],
  ['JsonArrayConstructor', 'json_array'],
  ['JsonArrayQueryConstructor', 'json_array'],
  ['JsonObjectAgg', 'json_objectagg'],
  ['JsonArrayAgg', 'json_arrayagg'],
]);

const XML: ReadonlyMap<string, string> = new Map([
  ['IS_XMLCONCAT', 'xmlconcat'],
  ['IS_XMLELEMENT', 'xmlelement'],
  ['IS_XMLFOREST', 'xmlforest'],
  ['IS_XMLPARSE', 'xmlparse'],
  ['IS_XMLPI', 'xmlpi'],
  ['IS_XMLROOT', 'xmlroot'],
]);

const JSON_FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ['JSON_EXISTS_OP', 'json_exists'],
  ['JSON_QUERY_OP', 'json_query'],
  ['JSON_VALUE_OP', 'json_value'],
]);

/** The name of an output column by its expression; `?column?` where there is none. */
export function outputName(value: unknown): string {
  return figure(value)?.name ?? UNNAMED;
}

/** A strong name wins over that of an enclosing cast or CASE; a weak one (a type's) does not. */
type Figured = { readonly name: string; readonly strong: boolean };

function strong(name: string | undefined): Figured | undefined {
  return name === undefined ? undefined : { name, strong: true };
}

function figure(value: unknown): Figured | undefined {
  const tag = tagOf(value) ?? '';
  const node = bodyOf(value, tag);
  switch (tag) {
    case 'ColumnRef':
      return strong(stringNode(items(node, 'fields').at(-1)));
    case 'A_Indirection':
      return strong(lastField(items(node, 'indirection'))) ?? figure(node['arg']);
    case 'FuncCall':
      return strong(nameParts(items(node, 'funcname'))?.at(-1));
    case 'A_Expr':
      return text(node, 'kind') === 'AEXPR_NULLIF' ? strong('nullif') : undefined;
    case 'TypeCast': {
      const inner = figure(node['arg']);
      if (inner?.strong === true) return inner;
      const type = nameParts(items(bodyOf(node, 'typeName'), 'names'))?.at(-1);
      return type === undefined ? inner : { name: type, strong: false };
    }
    case 'CollateClause':
      return figure(node['arg']);
    case 'CaseExpr': {
      const inner = figure(node['defresult']);
      return inner?.strong === true ? inner : { name: 'case', strong: false };
    }
    case 'MinMaxExpr':
      return strong(text(node, 'op') === 'IS_LEAST' ? 'least' : 'greatest');
    case 'SubLink':
      return sublink(text(node, 'subLinkType') ?? '', node['subselect']);
    case 'SQLValueFunction':
      return strong(valueFunction(text(node, 'op') ?? ''));
    case 'XmlExpr':
      return strong(XML.get(text(node, 'op') ?? ''));
    case 'JsonFuncExpr':
      return strong(JSON_FUNCTIONS.get(text(node, 'op') ?? ''));
    default:
      return strong(FIXED.get(tag));
  }
}

function lastField(fields: readonly unknown[]): string | undefined {
  for (let i = fields.length - 1; i >= 0; i -= 1) {
    const name = stringNode(fields[i]);
    if (name !== undefined) return name;
  }
  return undefined;
}

function sublink(kind: string, query: unknown): Figured | undefined {
  if (kind === 'EXISTS_SUBLINK') return strong('exists');
  if (kind === 'ARRAY_SUBLINK') return strong('array');
  if (kind !== 'EXPR_SUBLINK') return undefined;
  let select = as(query, 'SelectStmt');
  while (select !== undefined && as({ SelectStmt: select['larg'] }, 'SelectStmt') !== undefined)
    select = as({ SelectStmt: select['larg'] }, 'SelectStmt');
  const target = as(select === undefined ? undefined : items(select, 'targetList')[0], 'ResTarget');
  return target === undefined ? undefined : strong(text(target, 'name') ?? figure(target['val'])?.name);
}

/** `SVFOP_CURRENT_TIMESTAMP_N` is `current_timestamp`. */
function valueFunction(op: string): string {
  const name = op.replace('SVFOP_', '').toLowerCase();
  return name.endsWith('_n') ? name.slice(0, -2) : name;
}
