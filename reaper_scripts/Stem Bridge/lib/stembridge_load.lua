-- @noindex
-- Loads the parts of the library that a script names, in order. Needs REAPER 6.30 or newer.

local here = ...
return function(...)
  local lib = { here = here }
  for _, name in ipairs({ ... }) do
    lib[name] = assert(loadfile(here .. "lib/stembridge_" .. name .. ".lua"))(lib)
  end
  return lib
end
