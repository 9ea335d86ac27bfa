"""Costs worked out by hand from the prices that providers publish.

A price of 1 USD per million tokens is 1,000 nano-dollars per token, so each figure is a count times
a published price times 1,000. ``prices`` are the published US dollars per million tokens that the
figures rest on, of the service tier and the context length of the case.
"""

from typing import NamedTuple

OPENAI = "https://developers.openai.com/api/docs/pricing"
ANTHROPIC = "https://platform.claude.com/docs/en/about-claude/pricing"
GOOGLE = "https://ai.google.dev/gemini-api/docs/pricing"
DALLE = "https://github.com/kevinhermawan/Canvas/blob/main/model-info.json"
DEEPSEEK = "https://api-docs.deepseek.com/quick_start/pricing"
GROQ = "https://groq.com/pricing"
MISTRAL = "https://docs.mistral.ai/inference/pricing"
COHERE = "https://cohere.com/pricing"
XAI = "https://docs.x.ai/developers/pricing"
PERPLEXITY = "https://docs.perplexity.ai/docs/agent-api/migrate-from-sonar/overview"
VOYAGE = "https://docs.voyageai.com/docs/pricing"
JINA = "https://jina.ai/embeddings/"
AZURE = "https://azure.microsoft.com/en-us/pricing/details/cognitive-services/openai-service/"
BEDROCK = "https://aws.amazon.com/bedrock/pricing/"
CEREBRAS = "https://www.cerebras.ai/pricing"


class Case(NamedTuple):
    name: str
    source: str
    provider: str
    model: str
    at: str
    prices: dict[str, str]
    usage: dict[str, int]
    costs: dict[str, int]
    tier: str = ""


TODAY = "2026-11-22T12:00"

CASES = [
    # -- OpenAI ------------------------------------------------------------------------------
    Case(
        "a cached prompt", OPENAI, "openai", "gpt-4o-mini", TODAY,
        {"input": "0.15", "cache_read": "0.075", "output": "0.60"},
        {"input_tokens": 1200, "cache_read_tokens": 1000, "output_tokens": 50},
        {"input": 30_000, "cache_read": 75_000, "output": 30_000},
    ),
    Case(
        "12 seconds of audio in a chat", MISTRAL, "mistral_ai", "voxtral-small-24b-2507", TODAY,
        {"input": "0.10", "output": "0.40", "audio": "0.24 an hour"},
        {"input_tokens": 25, "output_tokens": 6, "input_audio_seconds": 12},
        {"input": 2500, "output": 2400, "audio": 800_000},
    ),
    Case(
        "90 seconds of audio", OPENAI, "openai", "whisper-1", TODAY,
        {"audio": "0.006 a minute"}, {"input_audio_seconds": 90}, {"audio": 9_000_000},
    ),
    Case(
        "a sentence to be spoken", OPENAI, "openai", "tts-1", TODAY,
        {"characters": "15"}, {"input_characters": 44}, {"input": 660_000},
    ),
    Case(
        "two wide pictures in high quality", DALLE, "openai", "dall-e-3", "2025-06-01",
        {"image": "0.12 each"}, {"images": 2}, {"image": 240_000_000}, "hd 1792x1024",
    ),
    Case(
        "a small picture", DALLE, "openai", "dall-e-2", "2025-06-01",
        {"image": "0.016"}, {"images": 1}, {"image": 16_000_000}, "standard 256x256",
    ),
    Case(
        "a moderation", "https://developers.openai.com/api/docs/guides/moderation",
        "openai", "omni-moderation-latest", TODAY, {"request": "0"}, {}, {"request": 0},
    ),
    Case(
        "pictures drawn and described in tokens", OPENAI, "openai", "gpt-image-1.5", TODAY,
        {"input": "5", "input_image": "8", "output": "10", "output_image": "32"},
        {"input_tokens": 50, "input_image_tokens": 40, "output_tokens": 1100,
         "output_image_tokens": 1000},
        {"input": 50_000, "output": 1_000_000, "image": 320_000 + 32_000_000},
    ),
    Case(
        "a transcription in tokens", OPENAI, "openai", "gpt-4o-transcribe", TODAY,
        {"input": "2.50", "input_audio": "6", "output": "10"},
        {"input_tokens": 14, "input_audio_tokens": 14, "output_tokens": 101},
        {"audio": 84_000, "output": 1_010_000},
    ),
    Case(
        "a dated model name", OPENAI, "openai", "gpt-4o-2024-08-06", TODAY,
        {"input": "2.50", "cache_read": "1.25", "output": "10"},
        {"input_tokens": 10_000, "cache_read_tokens": 4096, "output_tokens": 500},
        {"input": 14_760_000, "cache_read": 5_120_000, "output": 5_000_000},
    ),
    Case(
        "the last day of a price", OPENAI, "openai", "o3", "2025-06-09T23:59:59",
        {"input": "10", "output": "40"},
        {"input_tokens": 1000, "output_tokens": 2000, "reasoning_tokens": 1500},
        {"input": 10_000_000, "output": 20_000_000, "reasoning": 60_000_000},
    ),
    Case(
        "the first day of the next price", OPENAI, "openai", "o3", "2025-06-10T00:00",
        {"input": "2", "output": "8"},
        {"input_tokens": 1000, "output_tokens": 2000, "reasoning_tokens": 1500},
        {"input": 2_000_000, "output": 4_000_000, "reasoning": 12_000_000},
    ),
    Case(
        "priority", OPENAI, "openai", "gpt-5", TODAY,
        {"input": "2.50", "cache_read": "0.25", "output": "20"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 100,
         "reasoning_tokens": 64},
        {"input": 2_500_000, "cache_read": 250_000, "output": 720_000, "reasoning": 1_280_000},
        "priority",
    ),
    Case(
        "flex, a half nano-dollar rounded to even", OPENAI, "openai", "gpt-5-mini", TODAY,
        {"input": "0.125", "cache_read": "0.0125", "output": "1"},
        {"input_tokens": 3001, "cache_read_tokens": 1001, "output_tokens": 7},
        {"input": 250_000, "cache_read": 12_512, "output": 7_000},  # 1001 x 12.5 = 12512.5
        "flex",
    ),
    Case(
        "batch", OPENAI, "openai", "gpt-4o", TODAY,
        {"input": "1.25", "output": "5"},
        {"input_tokens": 1000, "output_tokens": 100},
        {"input": 1_250_000, "output": 500_000},
        "batch",
    ),
    Case(
        "a long context and web searches", OPENAI, "openai", "gpt-5.4", TODAY,
        {"input": "5", "cache_read": "0.50", "output": "22.50", "search (1000)": "10"},
        {"input_tokens": 300_000, "cache_read_tokens": 100_000, "output_tokens": 1000,
         "web_searches": 2},
        {"input": 1_000_000_000, "cache_read": 50_000_000, "output": 22_500_000,
         "tool": 20_000_000},
    ),
    Case(
        "a context that is just not long", OPENAI, "openai", "gpt-5.4", TODAY,
        {"input": "2.50", "output": "15"},
        {"input_tokens": 272_000, "output_tokens": 1000},
        {"input": 680_000_000, "output": 15_000_000},
    ),
    Case(
        "speech, some of it cached", OPENAI, "openai", "gpt-realtime", TODAY,
        {"input": "4", "cache_read": "0.40", "output": "16", "input_audio": "32",
         "output_audio": "64"},
        {"input_tokens": 1000, "input_audio_tokens": 600, "cache_read_tokens": 300,
         "cache_audio_read_tokens": 200, "output_tokens": 500, "output_audio_tokens": 400},
        # 300 text, 100 cached text, 200 cached audio, 400 audio in; 100 text, 400 audio out
        {"input": 1_200_000, "cache_read": 120_000, "output": 1_600_000,
         "audio": 12_800_000 + 25_600_000},
    ),
    Case(
        "speech of a model whose audio the catalogue leaves out", OPENAI, "openai",
        "gpt-4o-audio-preview-2025-06-03", TODAY,
        {"input": "2.50", "output": "10", "input_audio": "40", "output_audio": "80"},
        {"input_tokens": 110, "input_audio_tokens": 100, "output_tokens": 52,
         "output_audio_tokens": 50},
        {"input": 25_000, "output": 20_000, "audio": 4_000_000 + 4_000_000},
    ),
    Case(
        "pictures", OPENAI, "openai", "gpt-image-1", TODAY,
        {"input": "5", "input_image": "10", "output": "40"},
        {"input_tokens": 1050, "input_image_tokens": 1000, "output_tokens": 4160,
         "output_image_tokens": 4160, "images": 1},
        {"input": 250_000, "image": 10_000_000 + 166_400_000},
    ),
    Case(
        "an embedding", OPENAI, "openai", "text-embedding-3-large", TODAY,
        {"input": "0.13"}, {"input_tokens": 1537}, {"input": 199_810},
    ),
    Case(
        "an embedding", OPENAI, "openai", "text-embedding-3-small", TODAY,
        {"input": "0.02"}, {"input_tokens": 8000}, {"input": 160_000},
    ),
    # -- Anthropic ---------------------------------------------------------------------------
    Case(
        "cache writes for five minutes and for an hour", ANTHROPIC, "anthropic",
        "claude-sonnet-4-5-20250929", TODAY,
        {"input": "3", "cache_read": "0.30", "cache_write": "3.75", "cache_write_1h": "6",
         "output": "15", "search (1000)": "10"},
        {"input_tokens": 12_000, "cache_read_tokens": 8000, "cache_write_tokens": 3000,
         "cache_write_1h_tokens": 1000, "output_tokens": 700, "web_searches": 1},
        {"input": 3_000_000, "cache_read": 2_400_000, "cache_write": 7_500_000 + 6_000_000,
         "output": 10_500_000, "tool": 10_000_000},
    ),
    Case(
        "a long context: everything at the higher price", ANTHROPIC, "anthropic",
        "claude-sonnet-4-5-20250929", TODAY,
        {"input": "6", "cache_read": "0.60", "cache_write": "7.50", "cache_write_1h": "12",
         "output": "22.50"},
        {"input_tokens": 210_000, "cache_read_tokens": 150_000, "cache_write_tokens": 50_000,
         "cache_write_1h_tokens": 20_000, "output_tokens": 2000},
        {"input": 60_000_000, "cache_read": 90_000_000,
         "cache_write": 225_000_000 + 240_000_000, "output": 45_000_000},
    ),
    Case(
        "a long context until the day it became flat", ANTHROPIC, "anthropic",
        "claude-opus-4-6", "2026-03-12T23:59:59",
        {"input": "10", "output": "37.50"},
        {"input_tokens": 200_001, "output_tokens": 100},
        {"input": 2_000_010_000, "output": 3_750_000},
    ),
    Case(
        "a long context from the day it became flat", ANTHROPIC, "anthropic",
        "claude-opus-4-6", "2026-03-13T00:00",
        {"input": "5", "output": "25"},
        {"input_tokens": 200_001, "output_tokens": 100},
        {"input": 1_000_005_000, "output": 2_500_000},
    ),
    Case(
        "batch, with a cache write", ANTHROPIC, "anthropic", "claude-opus-4-5", TODAY,
        {"input": "2.50", "cache_write": "3.125", "output": "12.50"},
        {"input_tokens": 4000, "cache_write_tokens": 1001, "output_tokens": 10},
        {"input": 7_497_500, "cache_write": 3_128_125, "output": 125_000},
        "batch",
    ),
    Case(
        "both lifetimes of a small model", ANTHROPIC, "anthropic", "claude-3-haiku-20240307",
        TODAY,
        {"input": "0.25", "cache_read": "0.03", "cache_write": "0.30", "cache_write_1h": "0.50",
         "output": "1.25"},
        {"input_tokens": 10_000, "cache_read_tokens": 5000, "cache_write_tokens": 3000,
         "cache_write_1h_tokens": 1000, "output_tokens": 333},
        {"input": 500_000, "cache_read": 150_000, "cache_write": 600_000 + 500_000,
         "output": 416_250},
    ),
    Case(
        "one token below its long context", ANTHROPIC, "anthropic", "claude-haiku-5-5", TODAY,
        {"input": "0.10", "output": "0.50"},
        {"input_tokens": 100_000, "output_tokens": 1},
        {"input": 10_000_000, "output": 500},
    ),
    Case(
        "one token into its long context", ANTHROPIC, "anthropic", "claude-haiku-5-5", TODAY,
        {"input": "0.50", "output": "2.50"},
        {"input_tokens": 100_001, "output_tokens": 1},
        {"input": 50_000_500, "output": 2_500},
    ),
    # -- Google ------------------------------------------------------------------------------
    Case(
        "thinking, at the end of the short context", GOOGLE, "gcp.gemini", "gemini-2.5-pro", TODAY,
        {"input": "1.25", "output": "10"},
        {"input_tokens": 200_000, "output_tokens": 5000, "reasoning_tokens": 4000},
        {"input": 250_000_000, "output": 10_000_000, "reasoning": 40_000_000},
    ),
    Case(
        "more than 200k", GOOGLE, "gcp.vertex_ai", "gemini-2.5-pro", TODAY,
        {"input": "2.50", "cache_read": "0.25", "output": "15"},
        {"input_tokens": 250_000, "cache_read_tokens": 50_000, "output_tokens": 1000},
        {"input": 500_000_000, "cache_read": 12_500_000, "output": 15_000_000},
    ),
    Case(
        "audio, some of it cached", GOOGLE, "gcp.gemini", "models/gemini-2.5-flash", TODAY,
        {"input": "0.30", "cache_read": "0.03", "cache_read (audio)": "0.10",
         "input_audio": "1", "output": "2.50"},
        {"input_tokens": 5000, "input_audio_tokens": 2000, "cache_read_tokens": 1000,
         "cache_audio_read_tokens": 500, "output_tokens": 100, "reasoning_tokens": 40},
        # 2500 text, 500 cached text, 500 cached audio, 1500 audio
        {"input": 750_000, "cache_read": 15_000 + 50_000, "output": 150_000,
         "reasoning": 100_000, "audio": 1_500_000},
    ),
    Case(
        "a picture", GOOGLE, "gcp.gemini", "gemini-2.5-flash-image", TODAY,
        {"input": "0.30", "output_image": "30"},
        {"input_tokens": 20, "output_tokens": 1290, "output_image_tokens": 1290, "images": 1},
        {"input": 6_000, "image": 38_700_000},
    ),
    Case(
        "an introductory price", GOOGLE, "gcp.gemini", "gemini-3.8-flash", "2026-12-31T23:59:59",
        {"input": "0.75", "output": "3.75"},
        {"input_tokens": 1000, "output_tokens": 100}, {"input": 750_000, "output": 375_000},
    ),
    Case(
        "the price that follows it", GOOGLE, "gcp.gemini", "gemini-3.8-flash", "2027-01-01T00:00",
        {"input": "1.50", "output": "7.50"},
        {"input_tokens": 1000, "output_tokens": 100}, {"input": 1_500_000, "output": 750_000},
    ),
    # -- DeepSeek ----------------------------------------------------------------------------
    Case(
        "cache hits by day", DEEPSEEK, "deepseek", "deepseek-chat", "2025-08-01T10:00",
        {"input": "0.27", "cache_read": "0.07", "output": "1.10"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300},
        {"input": 270_000, "cache_read": 70_000, "output": 330_000},
    ),
    Case(
        "cache hits by night", DEEPSEEK, "deepseek", "deepseek-chat", "2025-08-01T20:00",
        {"input": "0.135", "cache_read": "0.035", "output": "0.55"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300},
        {"input": 135_000, "cache_read": 35_000, "output": 165_000},
    ),
    Case(
        "no more nights", DEEPSEEK, "deepseek", "deepseek-v3", "2025-09-06T20:00",
        {"input": "0.56", "cache_read": "0.07", "output": "1.68"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300},
        {"input": 560_000, "cache_read": 70_000, "output": 504_000},
    ),
    Case(
        "V3.2", "https://api-docs.deepseek.com/news/news250929", "deepseek", "deepseek-chat",
        "2025-10-01T20:00",
        {"input": "0.28", "cache_read": "0.028", "output": "0.42"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300},
        {"input": 280_000, "cache_read": 28_000, "output": 126_000},
    ),
    Case(
        "reasoning by day", DEEPSEEK, "deepseek", "deepseek-reasoner", "2025-08-01T16:29:59",
        {"input": "0.55", "cache_read": "0.14", "output": "2.19"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300,
         "reasoning_tokens": 200},
        {"input": 550_000, "cache_read": 140_000, "output": 219_000, "reasoning": 438_000},
    ),
    Case(
        "a working day's peak", DEEPSEEK, "deepseek", "deepseek-v4-pro", "2026-11-23T02:00",
        {"input": "1.32", "cache_read": "0.044", "output": "3.96"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300},
        {"input": 1_320_000, "cache_read": 44_000, "output": 1_188_000},
    ),
    Case(
        "between two peaks", DEEPSEEK, "deepseek", "deepseek-v4-pro", "2026-11-23T04:00",
        {"input": "0.66", "cache_read": "0.022", "output": "1.98"},
        {"input_tokens": 2000, "cache_read_tokens": 1000, "output_tokens": 300},
        {"input": 660_000, "cache_read": 22_000, "output": 594_000},
    ),
    # -- Others ------------------------------------------------------------------------------
    Case(
        "an open model", GROQ, "groq", "llama-3.3-70b-versatile", TODAY,
        {"input": "0.59", "output": "0.79"},
        {"input_tokens": 1111, "output_tokens": 222}, {"input": 655_490, "output": 175_380},
    ),
    Case(
        "batch", GROQ, "groq", "openai/gpt-oss-120b", TODAY,
        {"input": "0.075", "output": "0.30"},
        {"input_tokens": 999, "output_tokens": 11}, {"input": 74_925, "output": 3_300},
        "batch",
    ),
    Case(
        "a large model", MISTRAL, "mistral_ai", "mistral-large-2512", TODAY,
        {"input": "0.50", "cache_read": "0.05", "output": "1.50"},
        {"input_tokens": 4000, "cache_read_tokens": 3000, "output_tokens": 250},
        {"input": 500_000, "cache_read": 150_000, "output": 375_000},
    ),
    Case(
        "a small model in batch", MISTRAL, "mistral_ai", "mistral-small-latest", TODAY,
        {"input": "0.075", "output": "0.30"},
        {"input_tokens": 2000, "output_tokens": 100}, {"input": 150_000, "output": 30_000},
        "batch",
    ),
    Case(
        "three pages of text", "https://docs.mistral.ai/models/ocr-4-1",
        "mistral_ai", "mistral-ocr-4-1", TODAY,
        {"page (1000)": "4"}, {"input_pages": 3}, {"input": 12_000_000},
    ),
    Case(
        "an annotated page in a batch", "https://docs.mistral.ai/models/ocr-4-1",
        "mistral_ai", "mistral-ocr-latest", TODAY,
        {"annotated page (1000)": "2.50"}, {"annotated_pages": 1}, {"input": 2_500_000}, "batch",
    ),
    Case(
        "a transcription of 203 seconds", "https://docs.mistral.ai/models/voxtral-mini-transcribe-26-02",
        "mistral_ai", "voxtral-mini-2602", TODAY,
        {"audio": "0.003 a minute"}, {"input_audio_seconds": 203}, {"audio": 10_150_000},
    ),
    Case(
        "a sentence to be spoken by Mistral", "https://docs.mistral.ai/models/voxtral-tts-26-03",
        "mistral_ai", "voxtral-mini-tts-2603", TODAY,
        {"characters": "16"}, {"input_characters": 12}, {"input": 192_000},
    ),
    Case(
        "a search of the web beside a model", "https://mistral.ai/pricing/api",
        "mistral_ai", "web_search", TODAY,
        {"search (1000)": "30"}, {"web_searches": 1}, {"tool": 30_000_000},
    ),
    Case(
        "a moderation that is free", "https://docs.mistral.ai/models/mistral-moderation-26-03",
        "mistral_ai", "mistral-moderation-2603", TODAY, {"request": "0"}, {}, {"request": 0},
    ),
    Case(
        "the shortest transcription", GROQ, "groq", "whisper-large-v3-turbo", TODAY,
        {"audio": "0.04 an hour"}, {"input_audio_seconds": 10}, {"audio": 111_111},  # .1
    ),
    Case(
        "a sentence to be spoken by Groq", GROQ, "groq", "canopylabs/orpheus-v1-english", TODAY,
        {"characters": "22"}, {"input_characters": 44}, {"input": 968_000},
    ),
    Case(
        "two searches reranked",
        "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json",
        "cohere", "rerank-v4.0-pro", TODAY,
        {"search unit (1000)": "2.50"}, {"search_units": 2}, {"request": 5_000_000},
    ),
    Case(
        "half a nano-dollar rounded to even", COHERE, "cohere", "command-r7b-12-2024", TODAY,
        {"input": "0.0375", "output": "0.15"},
        {"input_tokens": 1001, "output_tokens": 3},
        {"input": 37_538, "output": 450},  # 1001 x 37.5 = 37537.5
    ),
    Case(
        "a large model", COHERE, "cohere", "command-a-03-2025", TODAY,
        {"input": "2.50", "output": "10"},
        {"input_tokens": 700, "output_tokens": 70}, {"input": 1_750_000, "output": 700_000},
    ),
    Case(
        "an embedding", COHERE, "cohere", "embed-v4.0", TODAY,
        {"input": "0.12"}, {"input_tokens": 512}, {"input": 61_440},
    ),
    Case(
        "one token below its long context", XAI, "x_ai", "grok-4.3", TODAY,
        {"input": "1.25", "output": "2.50"},
        {"input_tokens": 199_999, "output_tokens": 10},
        {"input": 249_998_750, "output": 25_000},
    ),
    Case(
        "its long context, which includes its limit", XAI, "x_ai", "grok-4.3", TODAY,
        {"input": "2.50", "output": "5"},
        {"input_tokens": 200_000, "output_tokens": 10},
        {"input": 500_000_000, "output": 50_000},
    ),
    Case(
        "batch is 20 % off", XAI, "x_ai", "grok-4", TODAY,
        {"input": "2.40", "output": "12"},
        {"input_tokens": 1000, "output_tokens": 10},
        {"input": 2_400_000, "output": 120_000},
        "batch",
    ),
    Case(
        "reasoning at a price of its own, and searches", PERPLEXITY, "perplexity",
        "sonar-deep-research", "2026-09-01T00:00",
        {"input": "2", "output": "8", "reasoning": "3", "search (1000)": "5"},
        {"input_tokens": 100, "output_tokens": 2000, "reasoning_tokens": 1500, "web_searches": 10},
        {"input": 200_000, "output": 4_000_000, "reasoning": 4_500_000, "tool": 50_000_000},
    ),
    Case(
        "a fee per request", PERPLEXITY, "perplexity", "sonar", "2026-09-01T00:00",
        {"input": "1", "output": "1", "request (1000)": "12"},
        {"input_tokens": 100, "output_tokens": 50},
        {"input": 100_000, "output": 50_000, "request": 12_000_000},
    ),
    Case(
        "an embedding", VOYAGE, "voyage", "voyage-3.5", TODAY,
        {"input": "0.06"}, {"input_tokens": 12_345}, {"input": 740_700},
    ),
    Case(
        "an embedding in batch, 33 % off", VOYAGE, "voyageai", "voyage-3-large", TODAY,
        {"input": "0.1206"}, {"input_tokens": 1005}, {"input": 121_203}, "batch",
    ),
    Case(
        "an embedding of our own data", JINA, "jina", "jina-embeddings-v3", TODAY,
        {"input": "0.05"}, {"input_tokens": 2048}, {"input": 102_400},
    ),
    Case(
        "a deployment", AZURE, "azure.ai.openai", "gpt-4o", TODAY,
        {"input": "2.50", "cache_read": "1.25", "output": "10"},
        {"input_tokens": 3000, "cache_read_tokens": 2048, "output_tokens": 99},
        {"input": 2_380_000, "cache_read": 2_560_000, "output": 990_000},
    ),
    Case(
        "batch of a deployment", AZURE, "azure.ai.openai", "gpt-4o-mini", TODAY,
        {"input": "0.075", "output": "0.30"},
        {"input_tokens": 1001, "output_tokens": 2}, {"input": 75_075, "output": 600}, "batch",
    ),
    Case(
        "a regional profile", BEDROCK, "aws.bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0", TODAY,
        {"input": "3.30", "cache_read": "0.33", "cache_write": "4.125", "output": "16.50"},
        {"input_tokens": 3000, "cache_read_tokens": 1000, "cache_write_tokens": 1000,
         "output_tokens": 10},
        {"input": 3_300_000, "cache_read": 330_000, "cache_write": 4_125_000, "output": 165_000},
    ),
    Case(
        "Amazon's own model, by its ARN", BEDROCK, "aws.bedrock",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", TODAY,
        {"input": "0.80", "cache_read": "0.20", "output": "3.20"},
        {"input_tokens": 500, "cache_read_tokens": 100, "output_tokens": 50},
        {"input": 320_000, "cache_read": 20_000, "output": 160_000},
    ),
    Case(
        "an open model", CEREBRAS, "cerebras", "gpt-oss-120b", TODAY,
        {"input": "0.35", "output": "0.75"},
        {"input_tokens": 1234, "output_tokens": 567}, {"input": 431_900, "output": 425_250},
    ),
    Case(
        "a local model", "own machines", "ollama", "nomic-embed-text", TODAY,
        {"input": "0"}, {"input_tokens": 100_000}, {},
    ),
]  # fmt: skip
