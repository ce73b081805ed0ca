export {
  evaluatePreferences,
  type EvaluatePreferencesOptions,
  type ModelDifference,
  type ModelReport,
  type PreferenceReport,
} from './preferences/evaluate-preferences.js';
export { SPLITS, type Split } from './preferences/evaluated-rows.js';
export { publishPairTable } from './preferences/pair-table.js';
export type { PairFigures } from './preferences/pair-figures.js';
export type { Estimate } from './statistics/poisson-bootstrap.js';
export { BENCHMARKS, readQuestions, type Benchmark, type Question } from './benchmarks/questions.js';
export { JudgeFailure, type ChatMessage, type Judge, type JudgeRequest } from './judge/judge.js';
export { ChatEndpoint, type ChatEndpointOptions } from './judge/chat-endpoint.js';
export { loadProgramJudge, type ProgramRequest } from './judge/program-judge.js';
export { judgePairs, rateAnswers, type JudgingOptions } from './judge/judge-answers.js';
export type { PairwiseResult } from './judge/win-rate.js';
export type { RatingResult } from './judge/rating-result.js';
export { evaluatedModels, type EvaluatedModel, type NamedModel } from './models/evaluated-model.js';
export {
  answerQuestions,
  type AnswerQuestionsOptions,
  type AnswerResult,
} from './answers/answer-questions.js';
