/** Every DDL statement of the grammars of 15 to 18, with its action and object. */
import type { Action, Resource } from '../effect.ts';
import { bodyOf, child, isTree, items, stringNode, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { readDefinition } from './definitions.ts';
import {
  alteredResources,
  createdResource,
  functionResources,
  grantResources,
  objectResources,
  relationResource,
  schemaResource,
  TARGET,
} from './object-names.ts';
import { hasSensitive, resolveRelation } from './relations.ts';
import type { StatementRule } from './statement-rule.ts';

type Resources = (context: Context, node: Tree) => readonly Resource[];

function rule(kind: string, action: Action, on: Resources, more?: (context: Context, node: Tree) => void): StatementRule {
  return {
    kind,
    read(context, node) {
      readDefinition(context, node, action, on(context, node));
      more?.(context, node);
      return undefined;
    },
  };
}

const onTarget: Resources = () => [TARGET];
const onRelation: Resources = (context, node) => [relationResource(context, child(node, 'relation'))];

/** Code that this statement puts in place runs later, on other people's statements. */
function plantsCode(context: Context): void {
  context.unknown('code that runs on other statements');
}

/** The body of a function in SQL is read whenever it is called; one in another language never is. */
function plantsFunction(context: Context, node: Tree): void {
  const language = items(node, 'options')
    .map((option) => bodyOf(option, 'DefElem'))
    .find((option) => text(option, 'defname') === 'language');
  const name = language === undefined ? 'sql' : stringNode(language['arg']);
  if (name?.toLowerCase() !== 'sql') context.control.plantsCode = `a function in ${name ?? 'a language that is not named'}`;
}

/** A trigger's function is handed whole rows. */
function plantsTrigger(context: Context, node: Tree): void {
  const rangeVar = child(node, 'relation') ?? {};
  const relation = resolveRelation(context, text(rangeVar, 'schemaname'), text(rangeVar, 'relname') ?? '');
  if (relation === undefined || hasSensitive(context, relation)) context.control.plantsCode = 'a trigger that is handed masked rows';
}

/** What an extension's script or a library does is not in the text. */
function runsScript(context: Context): void {
  context.control.plantsCode = 'the script of an extension';
  context.reachOpaque();
}

function dropped(context: Context, node: Tree): readonly Resource[] {
  const type = text(node, 'removeType') ?? '';
  return items(node, 'objects').flatMap((object) => objectResources(context, type, object));
}

function cascades(context: Context, node: Tree): void {
  if (text(node, 'behavior') === 'DROP_CASCADE') context.effect('drop', 'Target', []);
}

function createSchema(context: Context, node: Tree): void {
  for (const element of items(node, 'schemaElts')) if (isTree(element)) context.walkers.element(context, element);
}

function setsParameter(context: Context): void {
  context.effect('setParameter', 'Target', []);
}

const create = (kind: string, more?: (context: Context) => void): StatementRule => rule(kind, 'create', onTarget, more);
const alter = (kind: string, more?: (context: Context) => void): StatementRule => rule(kind, 'alter', onTarget, more);
const drop = (kind: string): StatementRule => rule(kind, 'drop', onTarget);
const grant = (kind: string): StatementRule => rule(kind, 'grant', onTarget);

export const DDL: readonly (readonly [tag: string, rule: StatementRule])[] = [
  ['AlterCollationStmt', alter('alterCollation')],
  ['AlterDatabaseRefreshCollStmt', alter('alterDatabase')],
  ['AlterDatabaseSetStmt', alter('alterDatabase', setsParameter)],
  ['AlterDatabaseStmt', alter('alterDatabase')],
  ['AlterDefaultPrivilegesStmt', grant('alterDefaultPrivileges')],
  ['AlterDomainStmt', alter('alterDomain')],
  ['AlterEnumStmt', alter('alterType')],
  ['AlterEventTrigStmt', alter('alterEventTrigger', plantsCode)],
  ['AlterExtensionContentsStmt', alter('alterExtension')],
  ['AlterExtensionStmt', alter('alterExtension', runsScript)],
  ['AlterFdwStmt', alter('alterForeignDataWrapper')],
  ['AlterForeignServerStmt', alter('alterServer')],
  [
    'AlterFunctionStmt',
    rule('alterFunction', 'alter', (context, node) => functionResources(context, items(child(node, 'func') ?? {}, 'objname'), false)),
  ],
  ['AlterObjectDependsStmt', rule('alterObject', 'alter', alteredResources)],
  ['AlterObjectSchemaStmt', rule('alterSchema', 'alter', alteredResources)],
  ['AlterOpFamilyStmt', alter('alterOperatorFamily')],
  ['AlterOperatorStmt', alter('alterOperator')],
  ['AlterOwnerStmt', rule('alterOwner', 'alter', alteredResources)],
  ['AlterPolicyStmt', rule('alterPolicy', 'alter', (context, node) => [relationResource(context, child(node, 'table'))])],
  ['AlterPublicationStmt', alter('alterPublication')],
  ['AlterRoleSetStmt', rule('alterRole', 'grant', onTarget, setsParameter)],
  ['AlterRoleStmt', grant('alterRole')],
  ['AlterSeqStmt', rule('alterSequence', 'alter', (context, node) => [relationResource(context, child(node, 'sequence'))])],
  ['AlterStatsStmt', alter('alterStatistics')],
  ['AlterSubscriptionStmt', alter('alterSubscription')],
  ['AlterSystemStmt', alter('alterSystem', setsParameter)],
  ['AlterTSConfigurationStmt', alter('alterTextSearch')],
  ['AlterTSDictionaryStmt', alter('alterTextSearch')],
  ['AlterTableMoveAllStmt', alter('alterTablespace')],
  ['AlterTableSpaceOptionsStmt', alter('alterTablespace')],
  ['AlterTableStmt', rule('alterTable', 'alter', onRelation)],
  ['AlterTypeStmt', alter('alterType')],
  ['AlterUserMappingStmt', alter('alterUserMapping')],
  ['CommentStmt', rule('comment', 'alter', alteredResources)],
  ['CompositeTypeStmt', create('createType')],
  ['CreateAmStmt', create('createAccessMethod')],
  ['CreateCastStmt', create('createCast', plantsCode)],
  ['CreateConversionStmt', create('createConversion')],
  ['CreateDomainStmt', create('createDomain')],
  ['CreateEnumStmt', create('createType')],
  ['CreateEventTrigStmt', create('createEventTrigger', plantsCode)],
  ['CreateExtensionStmt', create('createExtension', runsScript)],
  ['CreateFdwStmt', create('createForeignDataWrapper')],
  ['CreateForeignServerStmt', create('createServer')],
  [
    'CreateForeignTableStmt',
    rule('createForeignTable', 'create', (context, node) => [createdResource(context, child(child(node, 'base') ?? {}, 'relation'))]),
  ],
  [
    'CreateFunctionStmt',
    rule(
      'createFunction',
      'create',
      (context, node) => {
        context.inBody = true;
        return functionResources(context, items(node, 'funcname'), true);
      },
      plantsFunction,
    ),
  ],
  ['CreateOpClassStmt', create('createOperatorClass')],
  ['CreateOpFamilyStmt', create('createOperatorFamily')],
  ['CreatePLangStmt', create('createLanguage')],
  ['CreatePolicyStmt', rule('createPolicy', 'alter', (context, node) => [relationResource(context, child(node, 'table'))])],
  ['CreatePublicationStmt', create('createPublication')],
  ['CreateRangeStmt', create('createType')],
  ['CreateRoleStmt', grant('createRole')],
  ['CreateSchemaStmt', rule('createSchema', 'create', (_context, node) => [schemaResource(text(node, 'schemaname'))], createSchema)],
  ['CreateSeqStmt', rule('createSequence', 'create', (context, node) => [createdResource(context, child(node, 'sequence'))])],
  ['CreateStatsStmt', create('createStatistics')],
  ['CreateStmt', rule('createTable', 'create', (context, node) => [createdResource(context, child(node, 'relation'))])],
  ['CreateSubscriptionStmt', create('createSubscription', redactConnection)],
  ['CreateTableSpaceStmt', create('createTablespace')],
  ['CreateTransformStmt', create('createTransform')],
  ['CreateTrigStmt', rule('createTrigger', 'alter', onRelation, plantsTrigger)],
  ['CreateUserMappingStmt', create('createUserMapping')],
  ['CreatedbStmt', create('createDatabase')],
  ['DefineStmt', rule('define', 'create', defined)],
  ['DropOwnedStmt', rule('dropOwned', 'grant', onTarget, (context) => context.effect('drop', 'Target', []))],
  ['DropRoleStmt', grant('dropRole')],
  ['DropStmt', rule('drop', 'drop', dropped, cascades)],
  ['DropSubscriptionStmt', drop('dropSubscription')],
  ['DropTableSpaceStmt', drop('dropTablespace')],
  ['DropUserMappingStmt', drop('dropUserMapping')],
  ['DropdbStmt', drop('dropDatabase')],
  ['GrantRoleStmt', grant('grant')],
  ['GrantStmt', rule('grant', 'grant', grantResources)],
  ['ImportForeignSchemaStmt', rule('importForeignSchema', 'create', (_context, node) => [schemaResource(text(node, 'local_schema'))])],
  ['IndexStmt', rule('createIndex', 'create', onRelation, (context, node) => alterToo(context, onRelation(context, node)))],
  ['ReassignOwnedStmt', grant('reassignOwned')],
  ['RenameStmt', rule('rename', 'alter', alteredResources)],
  ['RuleStmt', rule('createRule', 'alter', onRelation, plantsCode)],
  ['SecLabelStmt', rule('securityLabel', 'alter', alteredResources)],
];

/** CREATE AGGREGATE is a function; operators, types, collations and text search objects are the target's. */
function defined(context: Context, node: Tree): readonly Resource[] {
  if (text(node, 'kind') === 'OBJECT_AGGREGATE') return functionResources(context, items(node, 'defnames'), true);
  if (text(node, 'kind') === 'OBJECT_OPERATOR') plantsCode(context);
  return [TARGET];
}

function alterToo(context: Context, resources: readonly Resource[]): void {
  for (const resource of resources) context.effect('alter', resource.type, resource.path);
}

/** A subscription's connection string holds a password at an unknown place. */
function redactConnection(context: Context): void {
  context.literals.push({ startByte: 0, endByte: context.range.endByte });
}
