/** The Cedar schema that policies are validated against: who acts, on what, and what is known of the statement. */
import { ACTIONS, type Action } from '../statement/effect.ts';
import { ACTION_GROUPS, groupsOf } from './actions.ts';

const ENTITIES = `
// "corp/agent-7"; groups are those of its token, narrowed by its delegation.
entity Group;
entity Agent in [Group] { issuer: String, human?: String, owner?: String };
// "bank", "bank.public", "bank.public.customers", "bank.public.customers.ssn", "bank.public.purge"
entity Target;
entity Schema in [Target];
entity Table in [Schema, Target];
entity Column in [Table, Schema, Target];
entity Function in [Schema, Target];
// Hosts: "web1:/srv/app/config" (files and folders), "web1:/srv/git/app.git", "web1:/srv/git/app.git#refs/heads/main",
// "web1:systemctl" or "web1:/usr/bin/systemctl", "web1:db.internal:5432"
entity File in [File, Target];
entity Repository in [File, Target];
entity Ref in [Repository, File, Target];
entity Program in [Target];
entity Endpoint in [Target];

type Facts = {
  // A write or full read without a real predicate.
  unbounded: Bool,
  // No predicate, aggregate or limit on a table above the size threshold.
  fullExport: Bool,
  // Estimated rows; 9007199254740991 when unknown.
  rows: Long,
  // Code is reached that cannot be read.
  opaque: Bool,
  inTransaction: Bool,
  // "public.customers.ssn": masked columns in the output or written.
  maskedColumns: Set<String>,
  // On a host, the account that runs it: "deploy".
  account?: String,
  // What led here where the text does not show it: "view public.v".
  via?: String,
  // Present once people have approved exactly this statement.
  approval?: {},
};
`;

/** Actions that only make sense on some resources; all others may appear on each kind of a database. */
const RESOURCES: Partial<Record<Action, string>> = {
  connect: 'Target',
  reveal: 'Column',
  lookup: 'Column',
  runProgram: 'Program',
  openShell: 'Target',
  elevate: 'Target',
  readFile: 'File',
  listFiles: 'File',
  writeFile: 'File',
  renameFile: 'File',
  removeFile: 'File',
  setAttributes: 'File',
  writeLogin: 'File',
  gitFetch: 'Repository',
  gitCreate: 'Ref',
  gitUpdate: 'Ref',
  gitForce: 'Ref',
  gitDelete: 'Ref',
  forward: 'Endpoint',
};

/** The schema in Cedar's own syntax, as `sallyport.cedarschema` for editors too. */
export function cedarSchema(): string {
  const groups = Object.keys(ACTION_GROUPS).map((group) => `action "${group}";`);
  const actions = ACTIONS.map((action) => {
    const members = groupsOf(action);
    const within = members.length === 0 ? '' : ` in [${members.map((group) => `"${group}"`).join(', ')}]`;
    const resources = RESOURCES[action] ?? 'Table, Column, Function, Schema, Target';
    return `action "${action}"${within} appliesTo { principal: [Agent], resource: [${resources}], context: Facts };`;
  });
  return `${ENTITIES}\n${groups.join('\n')}\n${actions.join('\n')}\n`;
}
