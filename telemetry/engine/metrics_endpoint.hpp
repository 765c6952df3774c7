#pragma once
#include <chrono>
#include <string>

#include "harness/core/reading.hpp"
#include "harness/net/http.hpp"

namespace kvtier {

/// GET of a /metrics endpoint: the text, or why there is none (down, hung, another status, an empty
/// answer, a web page), naming the URL. Never throws. `timeout` bounds the whole call.
Reading<std::string> FetchMetrics(const std::string& url, std::chrono::milliseconds timeout,
                                  const HttpHeaders& headers = {});

}  // namespace kvtier
