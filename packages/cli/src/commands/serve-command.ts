import { once } from 'node:events';
import type { Command } from 'commander';
import { openTextGenerator } from '@selective-dpo/generation';
import { startModelServer, type RequestEvent } from '@selective-dpo/server';
import type { CommandContext } from '../command-context.js';
import type { ConsoleWriter } from '../console/console-writer.js';
import { ModelLocator } from '../model-locator.js';
import { OptionReader, collect } from '../options.js';
import { addGeneratorOptions, generatorOptions } from './generator-options.js';

/** `sdpo serve`: a model behind OpenAI-compatible HTTP. */
export function addServeCommand(program: Command, context: CommandContext): void {
  addGeneratorOptions(program.command('serve'))
    .description('serve a model: /v1/completions, /v1/chat/completions, /v1/models, /health')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', '8000')
    .option('--model-id <name>', "name of the model in requests (default: its folder's)")
    .option(
      '--allowed-host <name>',
      'a further name that the server is reached by; may be given again',
      collect,
    )
    .option('--max-requests <n>', 'requests at work or waiting before others are refused (429)', '64')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const source = generatorOptions(options);
        const hosts =
          values['allowedHost'] === undefined ? [] : options.list('allowedHost', '--allowed-host', 'a name');
        const host = options.required('host', '--host', 'an address');
        const port = options.whole('port', '--port', 0, 65_535);
        const maxRequests = options.whole('maxRequests', '--max-requests', 1, 10_000) ?? 1;
        options.finish();
        const {
          directory,
          name,
          options: opened,
        } = await source(new ModelLocator(values, writer.listen, signal));
        const modelId = options.text('modelId') ?? name;
        const generator = await openTextGenerator(directory, { ...opened, listener: writer.listen });
        try {
          const server = await startModelServer(generator, {
            ...{ modelId, host, port, allowedHosts: hosts, limits: { maxRequests } },
            onRequest: (event) => tell(writer, event),
          });
          const line = `serving ${modelId} on ${server.url}; Ctrl-C ends it`;
          writer.event({ type: 'listening', url: server.url, model: modelId }, line);
          if (!signal.aborted) await once(signal, 'abort');
          await server.close();
          writer.event({ type: 'closed' }, 'closed');
        } finally {
          generator.dispose();
        }
      }),
    );
}

function tell(writer: ConsoleWriter, { failure, ...event }: RequestEvent): void {
  const text = failure instanceof Error ? (failure.stack ?? failure.message) : undefined;
  const told = text === undefined ? event : { ...event, failure: text };
  const line = `${event.method} ${event.path} ${event.status} in ${event.seconds.toFixed(2)} s`;
  writer.event(told, text === undefined ? line : `${line}\n${text}`);
}
