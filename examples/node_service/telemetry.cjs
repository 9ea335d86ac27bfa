// Traces the calls of OpenAI's SDK. This is all that a Node service needs to be metered: where the
// spans go is said by OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, and nothing of it is costmeter's own.
'use strict';

const { BaggageSpanProcessor } = require('@opentelemetry/baggage-span-processor');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');
const { OpenAIInstrumentation } = require('@opentelemetry/instrumentation-openai');
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace');

const sdk = new NodeSDK({
  instrumentations: [new OpenAIInstrumentation()],
  spanProcessors: [
    // What a call is for, from the baggage onto its span.
    new BaggageSpanProcessor((name) => name.startsWith('costmeter.')),
    new BatchSpanProcessor({ exporter: new OTLPTraceExporter() }),
  ],
});
sdk.start();

process.once('SIGTERM', async () => {
  await sdk.shutdown(); // sends what has not been sent
  process.exit(0);
});
