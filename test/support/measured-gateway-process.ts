/** The whole gateway in a process of its own, so that its memory is nobody else's; spoken to by messages. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { GatewayAnswer, GatewayAsking } from './measured-gateway.ts';
import { startHostGateway, type HostGateway } from './host-gateway.ts';

let gateway: HostGateway | undefined;

process.on('message', (asking: GatewayAsking) => {
  answer(asking)
    .then((value) => reply({ id: asking.id, value }))
    .catch((error: unknown) => reply({ id: asking.id, error: String(error) }));
});

async function answer(asking: GatewayAsking): Promise<unknown> {
  if (asking.kind === 'start') {
    gateway = await startHostGateway(asking.host, asking.config);
    return gateway.machine.ssh?.port ?? 0;
  }
  if (gateway === undefined) throw new Error('it has not been started');
  switch (asking.kind) {
    case 'token':
      return gateway.issuer.mintToken({ principal: asking.principal, groups: ['all'], ttlSeconds: 900 });
    case 'events':
      return gateway.events();
    case 'log':
      return gateway.log;
    case 'restMemory':
      globalThis.gc?.();
      // The kernel's own mark of the most begins anew (proc(5), clear_refs).
      writeFileSync('/proc/self/clear_refs', '5');
      return process.memoryUsage().rss;
    case 'peakMemory':
      return 1024 * Number(/VmHWM:\s+(\d+) kB/u.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
    case 'stop':
      await gateway.stop();
      return undefined;
  }
}

function reply(said: GatewayAnswer): void {
  process.send?.(said);
}
