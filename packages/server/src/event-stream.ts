/** Server-sent events as OpenAI's API streams them: `data: {…}` with an empty line behind, `data: [DONE]` at the end. */
import type { ServerResponse } from 'node:http';

export class EventStream {
  private begun = false;

  constructor(private readonly response: ServerResponse) {}

  /** Whether the status line is out: a failure then can only be told as an event. */
  get open(): boolean {
    return this.begun;
  }

  send(value: object): void {
    if (!this.begun) {
      this.response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
      });
      this.begun = true;
    }
    this.response.write(`data: ${JSON.stringify(value)}\n\n`);
  }

  end(): void {
    this.response.end('data: [DONE]\n\n');
  }
}
