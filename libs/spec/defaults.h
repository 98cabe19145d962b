#pragma once

/// Sets a proto3 optional scalar when it is absent: TY_DEFAULT(config, num_shards, 10).
#define TY_DEFAULT(message, field, value) \
  if (!(message)->has_##field()) (message)->set_##field(value)

/// The same, also when it is 0: where TAO takes 0 for absent.
#define TY_DEFAULT_FOR_ZERO(message, field, value) \
  if ((message)->field() == 0) (message)->set_##field(value)
