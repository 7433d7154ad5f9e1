/** What ECS says of the task that this process runs in (task metadata endpoint, version 4). */
import { SallyportError } from '../../core/errors.ts';
import { isId } from '../../core/evidence/layout.ts';

/** The endpoint does not say which task this is. */
export class TaskUnknown extends SallyportError {
  readonly code = 'task-unknown';
}

const TIMEOUT_MS = 2_000;

/** The task's id, the last part of its ARN. `metadataUri`: what ECS puts into ECS_CONTAINER_METADATA_URI_V4. Throws TaskUnknown. */
export async function ecsTaskId(metadataUri: string): Promise<string> {
  try {
    const response = await fetch(`${metadataUri}/task`, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const task: unknown = await response.json();
    const arn: unknown = typeof task === 'object' && task !== null && 'TaskARN' in task ? task.TaskARN : undefined;
    const id = typeof arn === 'string' ? (arn.split('/').at(-1) ?? '') : '';
    if (!isId(id)) throw new Error('no TaskARN in the answer');
    return id;
  } catch (cause) {
    throw new TaskUnknown('ECS does not say which task this is', { cause });
  }
}
