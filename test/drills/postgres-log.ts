// Statements out of PostgreSQL's own log (`log_statement=all`, `log_line_prefix='%p %d %u %a '`).
export type LoggedStatement = {
  readonly application: string;
  readonly text: string;
  /** `$1 = 'mark 17', $2 = ' '` of an execution with parameters. */
  readonly parameters: string;
};

const ENTRY = /^(?<pid>\d+) (?<database>\S+) (?<role>\S+) (?<application>.*?) (?<level>[A-Z]+):  (?<message>.*)$/u;
const STATEMENT = /^(?:statement|execute [^:]+): (?<text>[\s\S]*)$/u;
const PARAMETERS = /^[Pp]arameters: (?<parameters>[\s\S]*)$/u;

/** Every statement of the log, in its order. */
export function loggedStatements(log: string): LoggedStatement[] {
  const statements: { application: string; text: string; parameters: string; pid: string }[] = [];
  for (const { pid, application, level, message } of entries(log)) {
    const text = level === 'LOG' ? STATEMENT.exec(message)?.groups?.['text'] : undefined;
    if (text !== undefined) statements.push({ application, text, parameters: '', pid });
    const parameters = level === 'DETAIL' ? PARAMETERS.exec(message)?.groups?.['parameters'] : undefined;
    const last = statements.findLast((statement) => statement.pid === pid);
    if (parameters !== undefined && last !== undefined) last.parameters = parameters;
  }
  return statements;
}

type Entry = { pid: string; application: string; level: string; message: string };

/** Further lines of an entry start with a tab. */
function entries(log: string): Entry[] {
  const found: Entry[] = [];
  for (const line of log.split('\n')) {
    const last = found.at(-1);
    const { pid = '', application = '', level = '', message = '' } = ENTRY.exec(line)?.groups ?? {};
    if (pid !== '') found.push({ pid, application, level, message });
    else if (line.startsWith('\t') && last !== undefined) last.message += `\n${line.slice(1)}`;
  }
  return found;
}
