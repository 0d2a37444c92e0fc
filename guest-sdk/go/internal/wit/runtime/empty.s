// It lets functions of the package have no bodies: the runtime has them.
