/** What setting a configuration parameter means for policy and for the statements after it. */
import type { Context } from './context.ts';

/** Parameters that change how values look or how long work may take, never what names mean or who acts. */
const HARMLESS: ReadonlySet<string> = new Set([
  'application_name',
  'backend_flush_after',
  'bytea_output',
  'client_min_messages',
  'cpu_index_tuple_cost',
  'cpu_operator_cost',
  'cpu_tuple_cost',
  'cursor_tuple_fraction',
  'datestyle',
  'deadlock_timeout',
  'default_statistics_target',
  'default_transaction_deferrable',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'effective_cache_size',
  'effective_io_concurrency',
  'extra_float_digits',
  'from_collapse_limit',
  'geqo',
  'geqo_effort',
  'geqo_threshold',
  'gin_fuzzy_search_limit',
  'hash_mem_multiplier',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'intervalstyle',
  'jit',
  'jit_above_cost',
  'join_collapse_limit',
  'lc_messages',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'lock_timeout',
  'maintenance_work_mem',
  'max_parallel_workers',
  'max_parallel_workers_per_gather',
  'parallel_leader_participation',
  'parallel_setup_cost',
  'parallel_tuple_cost',
  'plan_cache_mode',
  'random_page_cost',
  'seed',
  'seq_page_cost',
  'statement_timeout',
  'synchronize_seqscans',
  'tcp_keepalives_count',
  'tcp_keepalives_idle',
  'tcp_keepalives_interval',
  'tcp_user_timeout',
  'temp_buffers',
  'timezone',
  'transaction_deferrable',
  'transaction_isolation',
  'transaction_read_only',
  'transaction_timeout',
  'work_mem',
  'xmlbinary',
  'xmloption',
]);

export function isHarmlessParameter(name: string): boolean {
  return HARMLESS.has(name) || name.startsWith('enable_');
}

/** Reports one parameter set (or reset, without a value). */
export function changeParameter(context: Context, given: string, value: string | undefined): void {
  const name = given.toLowerCase();
  context.writing = true;
  context.control.dirtiesState = true;
  if (isHarmlessParameter(name)) return;
  if (name === 'client_encoding') {
    if (value === undefined || !isUtf8(value)) context.effect('setParameter', 'Target', []);
    return;
  }
  // It is pinned at login: drivers set it once more to what it is.
  if (name === 'standard_conforming_strings' && value?.toLowerCase() === 'on') return;
  context.changesNames = true;
  // What a search path means is read from the target before the next statement is judged.
  if (name === 'search_path') return;
  const action = name === 'role' || name === 'session_authorization' || name === 'is_superuser' ? 'setRole' : 'setParameter';
  context.effect(action, 'Target', []);
}

function isUtf8(value: string): boolean {
  const plain = value.toLowerCase().replaceAll('-', '').replaceAll('_', '');
  return plain === 'utf8' || plain === 'unicode';
}
