import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Client, type Question, type Service, serve } from '../../bench/peers/protocol.js';

const work = { kind: 'floor' } as const;

const service: Service = {
  describe: async () => ({ name: 'tester', versions: { a: '1' } }),
  variants: async () => ['plain', 'fused'],
  prepare: async ({ places }) => places.map((at) => at * 2),
  run: async ({ count, variant }) => {
    if (variant === 'broken') throw new Error('it broke');
    return { milliseconds: count * 10, probe: [1] };
  },
  release: async () => null,
};

/** A client and a server that talk through streams, as the processes do. */
function connected() {
  const toServer = new PassThrough();
  const client = new Client('tester', (line) => void toServer.write(line));
  const done = serve(service, toServer, (line) => client.line(line.trimEnd()));
  return { client, end: () => void toServer.end(), done };
}

describe('the protocol of the peers', () => {
  it('matches answers with questions', async () => {
    const { client, end, done } = connected();
    expect(await client.ask({ do: 'describe' })).toEqual({ name: 'tester', versions: { a: '1' } });
    expect(await client.ask({ do: 'variants', work })).toEqual(['plain', 'fused']);
    expect(await client.ask({ do: 'prepare', work, variant: 'plain', places: [3, 5] })).toEqual([6, 10]);
    expect(await client.ask({ do: 'run', variant: 'plain', count: 7 })).toEqual({
      milliseconds: 70,
      probe: [1],
    });
    end();
    await done;
  });

  it('passes errors on and answers the next question', async () => {
    const { client, end } = connected();
    await expect(client.ask({ do: 'run', variant: 'broken', count: 1 })).rejects.toThrow(
      'tester: Error: it broke',
    );
    expect(await client.ask({ do: 'release' })).toBeNull();
    end();
  });

  it('ignores the output of libraries, unless it reports invalid use', async () => {
    const sent: (Question & { id: number })[] = [];
    const client = new Client('peer', (line) => void sent.push(JSON.parse(line)));
    const first = client.ask({ do: 'release' });
    client.line('Warning: a limit was reduced');
    client.line('{"id": 99, "answer": null}');
    client.line(JSON.stringify({ id: sent[0]?.id, answer: null }));
    expect(await first).toBeNull();
    const second = client.ask({ do: 'release' });
    client.line('validation: [Invalid CommandBuffer] is invalid');
    client.line(JSON.stringify({ id: sent[1]?.id, answer: null }));
    await expect(second).rejects.toThrow('peer reported: validation: [Invalid CommandBuffer]');
  });

  it('fails every question after the process has ended', async () => {
    const client = new Client('peer', () => undefined);
    const waiting = client.ask({ do: 'release' });
    client.line('Segmentation fault');
    client.ended('exit 139');
    await expect(waiting).rejects.toThrow(/peer ended: exit 139\nSegmentation fault/);
    await expect(client.ask({ do: 'release' })).rejects.toThrow('peer ended');
  });
});
