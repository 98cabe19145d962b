// Calibration tables. What is accepted prints and reads back as the same table.

#include "libs/quantization/calibration_table.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const auto table =
      trainyard::quantization::ParseCalibrationTable(fuzz::AsText(data, size), "table.txt");
  if (!table.ok()) return 0;
  const auto printed = trainyard::quantization::PrintCalibrationTable(*table);
  fuzz::Require(printed.ok());
  const auto again = trainyard::quantization::ParseCalibrationTable(*printed, "table.txt");
  fuzz::Require(again.ok() && *again == *table);
  return 0;
}
