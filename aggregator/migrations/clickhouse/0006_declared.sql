-- `leads` may have, in place of an address that is nobody's, the name of a source (`file`, `kubernetes`, `docker`): it declares
-- that whoever has the front's address offers something on its port. Programs that know no such server refuse the store for
-- its version.
ALTER TABLE fronts{local}{on_cluster} COMMENT COLUMN leads 'workload, Service, address or source, port, rewritten';
