#include "workloads/prompt_parts.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"
#include "workloads/identity.hpp"

namespace kvtier {

std::uint64_t PairSeed(std::uint64_t run_seed, int pair_index) {
  return Rng::Stream(run_seed, fmt::format("pair/{}", pair_index)).Next();
}

std::string SessionNonce(std::uint64_t pair_seed, std::string_view tag) {
  const auto word = Rng::Stream(pair_seed, fmt::format("nonce/{}", tag)).Next();
  return fmt::format("[{:08x} {}] ", word >> 32, tag);
}

std::string PadQuestion(std::string question, int tokens_around, int block_tokens,
                        const TokenCounter& counter) {
  constexpr std::string_view kFiller =
      " One plain sentence will do, thank you. Leave out what is not in the text.";
  const auto residue = [&] { return (tokens_around + counter.Count(question)) % block_tokens; };
  // One filler byte is at most one token, so stepping byte by byte passes every residue of the
  // byte-level counter.
  for (std::size_t i = 0; residue() < 4 || residue() > block_tokens - 4; ++i) {
    if (i == 64 * kFiller.size()) {
      throw ConfigError(
          fmt::format("a question cannot be padded off the block boundary with the {} counter: use "
                      "another counter",
                      counter.name()));
    }
    question += kFiller[i % kFiller.size()];
  }
  return question;
}

void RequireInRange(std::string_view option, std::int64_t value, std::int64_t low,
                    std::int64_t high) {
  if (value < low || value > high)
    throw ConfigError(fmt::format("{} is {}: allowed are {} to {}", option, value, low, high));
}

void SealRequest(PlannedRequest& request, std::string_view model, const TokenCounter& counter) {
  request.prompt_tokens_est = counter.Count(request.prompt);
  request.identity = IdentityOf(model, request.prompt, request.params, request.extras);
}

}  // namespace kvtier
