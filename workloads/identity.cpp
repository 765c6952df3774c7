#include "workloads/identity.hpp"

#include "harness/core/files.hpp"

namespace kvtier {

using nlohmann::json;

json GenerationParamsJson(const GenerationParams& params) {
  json j{{"max_tokens", params.max_tokens},
         {"temperature", params.temperature},
         {"top_p", params.top_p},
         {"stop", params.stop},
         {"stream", params.stream}};
  if (params.seed) j["seed"] = *params.seed;
  return j;
}

RequestIdentity IdentityOf(std::string_view model, std::string_view prompt,
                           const GenerationParams& params, const RequestExtras& extras) {
  const json generation = GenerationParamsJson(params);
  RequestIdentity id;
  id.prompt_sha256 = Sha256Hex(prompt);
  id.generation_params_sha256 = Sha256Hex(CanonicalJson(generation));
  json payload = generation;
  payload["model"] = model;
  payload["prompt"] = prompt;
  id.request_payload_sha256 = Sha256Hex(CanonicalJson(payload));
  id.request_identity_sha256 = Sha256Hex(CanonicalJson(
      {{"model", model}, {"prompt_sha256", id.prompt_sha256}, {"generation_params", generation}}));
  id.request_extras_sha256 =
      Sha256Hex(CanonicalJson({{"ignore_eos", extras.ignore_eos},
                               {"stream_options", {{"include_usage", extras.include_usage}}}}));
  return id;
}

}  // namespace kvtier
