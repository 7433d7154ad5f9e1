/** Scale-in protection by the endpoint of the container's agent, which uses the task's own role (`ecs:UpdateTaskProtection`). */
import { StateUnavailable, type TaskProtection } from '../ports.ts';

/** The agent is on the same host; it asks a regional API. */
const TIMEOUT_MS = 5_000;

export class EcsProtection implements TaskProtection {
  readonly #url: string;

  /** `agentUri`: what ECS puts into ECS_AGENT_URI. */
  constructor(agentUri: string) {
    this.#url = `${agentUri}/task-protection/v1/state`;
  }

  protect(minutes: number): Promise<void> {
    return this.#put({ ProtectionEnabled: true, ExpiresInMinutes: minutes });
  }

  release(): Promise<void> {
    return this.#put({ ProtectionEnabled: false });
  }

  async #put(state: object): Promise<void> {
    let failure: unknown;
    try {
      const response = await fetch(this.#url, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(state),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const answer: unknown = await response.json();
      // A failure comes with status 200 too: then there is no `protection` in the answer.
      if (response.ok && typeof answer === 'object' && answer !== null && 'protection' in answer) return;
      failure = new Error(`the agent answered ${response.status}`);
    } catch (cause) {
      failure = cause;
    }
    throw new StateUnavailable('scale-in protection could not be set', { cause: failure });
  }
}
