// The floor: what it costs to pass bytes on in Node and do nothing else. Arguments: port to listen on, port to connect to.
import { connect, createServer } from 'node:net';

const [listenOn, connectTo] = process.argv.slice(2).map(Number);
const server = createServer({ noDelay: true }, (client) => {
  const target = connect({ host: '127.0.0.1', port: connectTo ?? 0, noDelay: true });
  client.pipe(target).pipe(client);
  client.on('error', () => target.destroy());
  target.on('error', () => client.destroy());
});
server.listen(listenOn, '127.0.0.1', () => console.log('{"event":"ready"}'));
