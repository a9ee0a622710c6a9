-- Binary layouts, all big-endian; codec.py documents each field.
local FORMAT_VERSION = 1
local STATE_HEADER = '>I4I4I8I8c40I8I8I8I8I8I8I8I8'
local STATE_HEADER_BYTES = 128
local REQUEST_HEADER = '>BI2I8I4I4BBB'
local REQUEST_HEADER_BYTES = 22
local COMMITTED_HEADER = '>I8I4'
local COMMITTED_HEADER_BYTES = 12
local RECORD_HEADER = '>I8BI8I4'
local EXACT_INTEGERS = 9007199254740992 -- 2^53: below it a Lua number is an exact integer
