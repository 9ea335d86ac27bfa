// A service that sorts and answers tickets.
'use strict';

const http = require('node:http');
const { context, propagation } = require('@opentelemetry/api');
const OpenAI = require('openai');

const client = new OpenAI();

const FEATURES = {
  '/triage': { feature: 'triage', task: 'Name the department for this ticket in one word.' },
  '/answer': { feature: 'answer', task: 'Answer this ticket in two sentences.' },
};

async function reply(task, ticket) {
  const completion = await client.chat.completions.create({
    model: 'gpt-4o-mini',
    max_completion_tokens: 60,
    messages: [
      { role: 'system', content: task },
      { role: 'user', content: ticket },
    ],
  });
  return completion.choices[0].message.content;
}

const server = http.createServer(async (request, response) => {
  const route = FEATURES[request.url];
  if (request.method !== 'POST' || !route) {
    response.writeHead(404).end();
    return;
  }
  let ticket = '';
  for await (const part of request) ticket += part;
  const purpose = propagation.createBaggage({
    'costmeter.endpoint': { value: request.url },
    'costmeter.feature': { value: route.feature },
  });
  try {
    const text = await context.with(propagation.setBaggage(context.active(), purpose), () =>
      reply(route.task, ticket),
    );
    response.end(text);
  } catch (error) {
    response.writeHead(502).end(`${error.message}\n`);
  }
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
