/** Settings that a client may bring with its connection; what is not named here would change what statements mean or do. */
import type { GatewaySettings } from './live-session.ts';

/** GUCs without influence on names, rights or the grammar, and search_path, which is read back before anything is judged. */
const FORWARDED = new Set([
  'bytea_output',
  'client_min_messages',
  'datestyle',
  'default_transaction_deferrable',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'extra_float_digits',
  'geqo',
  'idle_in_transaction_session_timeout',
  'intervalstyle',
  'jit',
  'lock_timeout',
  'search_path',
  'statement_timeout',
  'timezone',
  'transaction_timeout',
  'work_mem',
]);

const UTF8_NAMES = new Set(['utf8', 'unicode', 'utf-8']);

export type ClientSettings =
  | {
      readonly kind: 'read';
      readonly forwarded: ReadonlyMap<string, string>;
      readonly gateway: GatewaySettings;
      readonly applicationName: string;
    }
  | { readonly kind: 'refused'; readonly reason: string };

/** Startup parameters and `options` of a client; later ones win, as in PostgreSQL. */
export function readClientSettings(
  parameters: ReadonlyMap<string, string>,
  options: readonly (readonly [string, string])[],
): ClientSettings {
  const forwarded = new Map<string, string>();
  const gateway: GatewaySettings = { reason: '', approval: 'wait', approvalId: '' };
  let applicationName = '';
  const given = [...[...parameters].filter(([name]) => name !== 'user' && name !== 'database'), ...options];
  for (const [name, value] of given) {
    const setting = name.toLowerCase();
    switch (setting) {
      case 'application_name':
        applicationName = value;
        break;
      case 'client_encoding':
        if (!UTF8_NAMES.has(value.toLowerCase().replaceAll("'", ''))) return refused(`client_encoding "${value}" is not taken: use UTF8`);
        break;
      case 'standard_conforming_strings':
        if (!['on', 'true', 'yes', '1'].includes(value.toLowerCase())) return refused('standard_conforming_strings is always on here');
        break;
      case 'sallyport.reason':
        gateway.reason = value;
        break;
      case 'sallyport.approval':
        if (value !== 'wait' && value !== 'failfast' && value !== '')
          return refused(`sallyport.approval is "wait" or "failfast", not "${value}"`);
        gateway.approval = value === 'failfast' ? 'failfast' : 'wait';
        break;
      case 'sallyport.approval_id':
        gateway.approvalId = value;
        break;
      default:
        if (!FORWARDED.has(setting)) return refused(`"${name}" cannot be set with the connection: use SET, which is judged`);
        forwarded.set(setting, value);
    }
  }
  return { kind: 'read', forwarded, gateway, applicationName };
}

function refused(reason: string): ClientSettings {
  return { kind: 'refused', reason };
}
