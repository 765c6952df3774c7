#pragma once
#include <string>

namespace kvtier {

/// The program by which docker is asked: KVTIER_DOCKER, else "docker". One answer for the bring-up,
/// the doctor and the telemetry, so that they talk to one daemon.
std::string DockerProgram();

}  // namespace kvtier
