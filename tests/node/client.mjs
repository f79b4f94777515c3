// What openai's client for Node gets from a gateway, as one JSON document on standard output.
// The gateway's address and key come as OPENAI_BASE_URL and OPENAI_API_KEY.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "Hello there" }];
const tools = [
  { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } },
];
const said = {};

const whole = await client.chat.completions.create({ model: "mock/echo", messages });
said.whole = { text: whole.choices[0].message.content, finish: whole.choices[0].finish_reason, usage: whole.usage };

const stream = await client.chat.completions.create({
  model: "mock/echo",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
said.stream = { pieces: [], finish: null, usage: null };
for await (const chunk of stream) {
  const choice = chunk.choices[0];
  if (choice?.delta.content) said.stream.pieces.push(choice.delta.content);
  said.stream.finish = choice?.finish_reason ?? said.stream.finish;
  said.stream.usage = chunk.usage ?? said.stream.usage;
}

const called = await client.chat.completions.create({ model: "mock/tool", messages, tools });
said.tool = { call: called.choices[0].message.tool_calls[0], finish: called.choices[0].finish_reason };

const running = client.chat.completions.stream({ model: "mock/tool", messages, tools });
const final = await running.finalChatCompletion();
said.streamedTool = { call: final.choices[0].message.tool_calls[0], finish: final.choices[0].finish_reason };

// left to itself the client asks for base64, and reads nothing else
const lengths = (answer) => answer.data.map((row) => row.embedding.length);
const asked = { model: "mock/embed", input: ["a", "b"] };
said.embeddings = {
  float: lengths(await client.embeddings.create({ ...asked, encoding_format: "float" })),
  base64: lengths(await client.embeddings.create(asked)),
};

said.models = [];
for await (const model of client.models.list()) said.models.push(model.id);

async function failure(attempt) {
  try {
    await attempt();
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
}

const wrong = new OpenAI({ apiKey: "sk-wrong", maxRetries: 0 });
const late = { ...messages[0], content: "x" };
said.errors = {
  unknown: await failure(() => client.chat.completions.create({ model: "nothing", messages })),
  key: await failure(() => wrong.chat.completions.create({ model: "mock/echo", messages })),
  limit: await failure(() => client.chat.completions.create({ model: "mock/error-429", messages: [late] })),
  streamed: await failure(() => client.chat.completions.create({ model: "mock/error-500", messages, stream: true })),
};

const left = await client.chat.completions.create({ model: "mock/stream", messages, stream: true });
for await (const chunk of left) {
  said.left = chunk.choices.length;
  break; // a stream that nobody reads to its end
}
console.log(JSON.stringify(said));
