/**
 * A model's answers to the questions of a benchmark, into a file that its own judge reads. Questions are answered in groups; a
 * group is written at once, so a second call goes on where the first one ended. An answer depends on the model, the question
 * and the settings, and not on where a call was stopped.
 */
import {
  Interrupted,
  ProgressMeter,
  canonicalJson,
  mixSeeds,
  sha256,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { AppendedLines, FileProblems, type CheckedLine, type Message } from '@selective-dpo/data';
import { openTextGenerator, type TextGenerator } from '@selective-dpo/generation';
import { weightsDigest, type EngineName, type EnginePrecision } from '@selective-dpo/model';
import {
  answerLine,
  answerOpening,
  answerSchema,
  type Answer,
  type GenerationRecord,
} from '../benchmarks/answers.js';
import { readQuestions, type Benchmark, type Question, type QuestionSet } from '../benchmarks/questions.js';
import { fittingConversation, promptRoom } from './fitting-conversation.js';
import { benchmarkTemperature } from './temperatures.js';

export interface AnswerQuestionsOptions {
  /** Hugging Face model directory. */
  modelDirectory: string;
  /** Stands in the answers, and names the model for its judge. */
  modelId: string;
  questionFile: string;
  format: Benchmark;
  /** The first questions of the file only. */
  limit?: number | undefined;
  /** The answer file: made, or gone on with. */
  outFile: string;
  /** Most tokens of one turn's answer. */
  maxNewTokens: number;
  /** In place of the benchmark's own, by category. */
  temperature?: number | undefined;
  topP?: number | undefined;
  topK?: number | undefined;
  seed: number;
  /** Questions answered together. */
  batchSize: number;
  engine?: 'auto' | EngineName | undefined;
  precision?: EnginePrecision | undefined;
  /** Seconds since 1970, for the answers. */
  now: () => number;
  listener?: ProgressListener;
  signal?: AbortSignal;
}

export interface AnswerResult {
  file: string;
  layout: QuestionSet['layout'];
  questions: number;
  /** Questions that an earlier call had answered. */
  answeredBefore: number;
  /** Turns whose prompt did not fit into the model's context, and the tokens cut off at their start. */
  truncatedPrompts: number;
  droppedTokens: number;
  /** Turns, tokens answered, and turns whose answer was ended by its length. */
  turns: number;
  answerTokens: number;
  endedByLength: number;
}

/** Questions answered together: neighbours in the file at one temperature. */
interface Group {
  /** Place of its first question in the file. */
  place: number;
  questions: Question[];
  temperature: number;
}

/**
 * Answers what the file has no answer to.
 * @throws InputError, InputErrors for bad input; Interrupted when `signal` stopped it.
 */
export async function answerQuestions(options: AnswerQuestionsOptions): Promise<AnswerResult> {
  const set = await readQuestions(options.questionFile, options.format);
  const questions = set.questions.slice(0, options.limit);
  const { file, lines } = await AppendedLines.open(options.outFile, answerSchema(set.layout), {
    ...{ opening: answerOpening(set.layout), inputs: [options.questionFile] },
  });
  try {
    const session = new AnswerSession(options, { ...set, questions }, file);
    await session.answer(lines);
    return session.result();
  } finally {
    await file.close();
  }
}

/** One call's part in an answer file. */
class AnswerSession {
  private readonly records = new Map<string, GenerationRecord>();
  private readonly groups: Group[];
  private answeredBefore = 0;

  constructor(
    private readonly options: AnswerQuestionsOptions,
    private readonly set: QuestionSet,
    private readonly file: AppendedLines,
  ) {
    this.groups = groupsOf(set.questions, options);
  }

  async answer(lines: readonly CheckedLine<Answer>[]): Promise<void> {
    const { modelDirectory, engine, precision, batchSize, listener, signal } = this.options;
    const generator = await openTextGenerator(modelDirectory, { engine, precision, batchSize });
    try {
      const fingerprint = await this.fingerprintOf(generator);
      this.takeOver(lines, fingerprint);
      this.answeredBefore = this.records.size;
      const meter = new ProgressMeter('answer', 'questions', this.set.questions.length, this.answeredBefore);
      for (const group of this.groups) {
        const missing = group.questions.filter(({ id }) => !this.records.has(String(id)));
        if (missing.length === 0) continue;
        if (signal?.aborted === true) throw this.interrupted();
        // Whole, even where a killed call left a part of it: each question keeps its place among the seeds.
        const answers = await this.answersTo(group, generator, fingerprint).catch((error: unknown) => {
          throw error instanceof Interrupted ? this.interrupted() : error;
        });
        const added = answers.filter(({ answer }) => !this.records.has(String(answer.questionId)));
        const time = this.options.now();
        await this.file.append(
          added.map(({ answer, question }) => answerLine(answer, this.set.layout, question, time)),
        );
        for (const { answer } of added) this.records.set(String(answer.questionId), answer.generation!);
        listener?.(meter.advance(added.length));
      }
    } finally {
      generator.dispose();
    }
  }

  result(): AnswerResult {
    const records = [...this.records.values()];
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    const dropped = records.flatMap(({ dropped_tokens }) => dropped_tokens);
    return {
      file: this.options.outFile,
      layout: this.set.layout,
      questions: this.set.questions.length,
      answeredBefore: this.answeredBefore,
      truncatedPrompts: dropped.filter((tokens) => tokens > 0).length,
      droppedTokens: sum(dropped),
      turns: dropped.length,
      answerTokens: sum(records.flatMap(({ answer_tokens }) => answer_tokens)),
      endedByLength: records.flatMap(({ finish_reasons }) => finish_reasons).filter((why) => why === 'length')
        .length,
    };
  }

  /** Everything that decides the answer to a question. */
  private async fingerprintOf(generator: TextGenerator): Promise<(question: Question) => string> {
    const weightsSha256 = await weightsDigest(this.options.modelDirectory);
    const { tokenizer, chatTemplate } = generator.tokenizer.fingerprint();
    const { maxNewTokens, temperature, topP, topK, seed, batchSize, format } = this.options;
    const settings = { maxNewTokens, temperature, topP, topK, seed, batchSize, format };
    return ({ turns }) =>
      sha256(canonicalJson({ weightsSha256, tokenizer, chatTemplate, settings, turns })).slice(0, 16);
  }

  /**
   * Counts what the file holds.
   * @throws InputErrors naming every line that is there twice, or that this call would not have written.
   */
  private takeOver(lines: readonly CheckedLine<Answer>[], fingerprint: (question: Question) => string): void {
    const problems = new FileProblems(this.options.outFile);
    const others: { line: number; found: string }[] = [];
    const questions = new Map(this.set.questions.map((question) => [String(question.id), question]));
    for (const { line, value } of lines) {
      const key = String(value.questionId);
      const question = questions.get(key);
      if (question === undefined) continue;
      if (this.records.has(key)) {
        problems.add(line, 'line-twice', 'a question is answered twice', { found: key });
      }
      if (value.model !== this.options.modelId || value.generation?.fingerprint !== fingerprint(question)) {
        others.push({ line, found: `question ${key}, model ${value.model}` });
        continue;
      }
      this.records.set(key, value.generation);
    }
    problems.addAt(
      others.map(({ line }) => line),
      'answered-otherwise',
      'the answer is of another model, question or setting',
      {
        found: others[0]?.found ?? '',
        hint: 'choose another --out, or give the settings it was begun with',
      },
    );
    problems.refuse();
  }

  private async answersTo(
    group: Group,
    generator: TextGenerator,
    fingerprint: (question: Question) => string,
  ): Promise<{ question: Question; answer: Answer }[]> {
    const { modelId, seed } = this.options;
    const answers = group.questions.map((question) => ({
      question,
      answer: { questionId: question.id, model: modelId, turns: [] as string[] },
      record: {
        ...{ fingerprint: fingerprint(question), temperature: group.temperature, seed },
        ...{ prompt_tokens: [], dropped_tokens: [], answer_tokens: [], finish_reasons: [] },
      } as GenerationRecord,
    }));
    const turns = Math.max(...group.questions.map((question) => question.turns.length));
    for (let turn = 0; turn < turns; turn++) {
      const speaking = answers.filter(({ question }) => turn < question.turns.length);
      const room = promptRoom(generator.model.config.maxPositionEmbeddings, this.options.maxNewTokens);
      const fitting = speaking.map(({ question, answer }) =>
        fittingConversation(generator.tokenizer, conversationOf(question, answer.turns, turn), room),
      );
      const given = generator.generateAnswers(
        fitting.map(({ messages }) => messages),
        this.requestOf(group, turn),
      );
      for await (const { index, text, tokens, promptTokens, finishReason } of given) {
        const { answer, record } = speaking[index]!;
        answer.turns.push(text.trim());
        record.prompt_tokens.push(promptTokens);
        record.dropped_tokens.push(fitting[index]!.dropped);
        record.answer_tokens.push(tokens.length);
        record.finish_reasons.push(finishReason);
      }
    }
    return answers.map(({ question, answer, record }) => ({
      question,
      answer: { ...answer, generation: record },
    }));
  }

  private requestOf({ place, temperature }: Group, turn: number) {
    const { maxNewTokens, topP, topK, seed, signal } = this.options;
    return { maxNewTokens, temperature, topP, topK, seed: mixSeeds(seed, place, turn), signal };
  }

  private interrupted(): Interrupted {
    return new Interrupted(
      `stopped after ${this.records.size} of ${this.set.questions.length} questions`,
      'run the same command again',
    );
  }
}

function groupsOf(questions: readonly Question[], options: AnswerQuestionsOptions): Group[] {
  const groups: Group[] = [];
  questions.forEach((question, place) => {
    const temperature = options.temperature ?? benchmarkTemperature(options.format, question.category);
    const last = groups.at(-1);
    if (last !== undefined && last.temperature === temperature && last.questions.length < options.batchSize) {
      last.questions.push(question);
    } else groups.push({ place, questions: [question], temperature });
  });
  return groups;
}

/** What was said up to the user's turn `turn`. */
function conversationOf({ turns }: Question, answers: readonly string[], turn: number): Message[] {
  return turns
    .slice(0, turn + 1)
    .flatMap((content, i) => [
      { role: 'user', content },
      ...(i < turn ? [{ role: 'assistant', content: answers[i]! }] : []),
    ]);
}
