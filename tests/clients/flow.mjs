// The core flow by the npm package `openai`: `node flow.mjs FILE`, plain asserts.
import assert from "node:assert/strict";
import fs from "node:fs";
import OpenAI, { BadRequestError, NotFoundError } from "openai";

const client = new OpenAI({ maxRetries: 0 });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function ended(id) {
  for (;;) {
    const job = await client.fineTuning.jobs.retrieve(id);
    if (["succeeded", "failed", "cancelled"].includes(job.status)) return job;
    await pause(100);
  }
}

const file = await client.files.create({
  file: fs.createReadStream(process.argv[2]),
  purpose: "fine-tune",
});
assert.equal(file.status, "processed");
const created = await client.fineTuning.jobs.create({
  model: "gpt-4o-mini",
  training_file: file.id,
  method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 1 } } },
});
assert.equal(created.status, "validating_files");
const job = await ended(created.id);
assert.equal(job.status, "succeeded");
const messages = [];
for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 5 }))
  messages.push(event.message);
assert.equal(messages[0], "The job has successfully completed");
const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id);
assert.equal(checkpoints.data.length, 1);

const ask = {
  model: job.fine_tuned_model,
  messages: [{ role: "user", content: "What about question 7?" }],
  temperature: 0,
};
const answer = await client.chat.completions.create(ask);
let streamed = "";
for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
  streamed += chunk.choices[0]?.delta?.content ?? "";
assert.equal(streamed, answer.choices[0].message.content);

const cancelled = await client.fineTuning.jobs.create({
  model: "gpt-4o-mini",
  training_file: file.id,
});
assert.equal((await client.fineTuning.jobs.cancel(cancelled.id)).status, "cancelled");
await assert.rejects(client.fineTuning.jobs.retrieve("ftjob-none"), NotFoundError);
await assert.rejects(
  client.fineTuning.jobs.create({ model: "gpt-9", training_file: file.id }),
  BadRequestError,
);
assert.equal((await client.models.delete(job.fine_tuned_model)).deleted, true);
assert.equal((await client.files.delete(file.id)).deleted, true);
console.log("the core flow works with npm openai");
