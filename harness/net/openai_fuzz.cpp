#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "harness/net/exchange.hpp"
#include "harness/net/openai.hpp"

/// Any bytes as payload, as unary body and as stream: no crash, and an answer is ok only with text
/// and a finish_reason.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static kvtier::CompletionParser parser;
  kvtier::RawExchange exchange;
  exchange.body.assign(data, data + size);
  parser.Parse(exchange.body);
  exchange.end = kvtier::TransportEnd::kComplete;
  exchange.status = 200;
  exchange.reads = {{10, 7, size / 3}, {20, 9, size}};
  for (const bool stream : {false, true}) {
    exchange.stream = stream;
    const auto result = kvtier::AnalyseExchange(exchange, parser);
    const bool whole = !result.text.empty() && !result.finish_reason.empty() && result.stamps.done;
    if (result.outcome == kvtier::Outcome::kOk && !whole) std::abort();
    if (result.outcome != kvtier::Outcome::kOk && result.error.empty()) std::abort();
  }
  return 0;
}
