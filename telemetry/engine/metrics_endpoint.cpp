#include "telemetry/engine/metrics_endpoint.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/net/http_client.hpp"

namespace kvtier {
namespace {

bool IsMarkup(const HttpResponse& answer) {
  const std::size_t first = answer.body.find_first_not_of(" \t\r\n");
  return first != std::string::npos && answer.body[first] == '<';
}

}  // namespace

Reading<std::string> FetchMetrics(const std::string& url, std::chrono::milliseconds timeout,
                                  const HttpHeaders& headers) {
  const auto none = [](std::string why) {
    return Reading<std::string>::Unavailable(std::move(why));
  };
  try {
    HttpResponse answer = HttpGet(Url::Parse(url), timeout, headers);
    if (answer.status < 200 || answer.status >= 300)
      return none(fmt::format("{} answered HTTP {}", url, answer.status));
    if (answer.body.empty()) return none(fmt::format("{} answered nothing", url));
    if (IsMarkup(answer)) {
      return none(
          fmt::format("{} answered a web page instead of metrics; check its port and path", url));
    }
    return std::move(answer.body);
  } catch (const Error& e) {
    return none(e.what());
  }
}

}  // namespace kvtier
