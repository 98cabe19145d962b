// Pipeline files.

#include <string>

#include "services/orchestrator/pipeline.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  orchestrator::PipelineSource source;
  source.text = std::string(fuzz::AsText(data, size));
  source.read_spec = [](const std::string&) { return std::string("random_seed: 1\n"); };
  (void)orchestrator::ParsePipeline(source);
  (void)orchestrator::SpecFilesOf(source.text);
  return 0;
}
