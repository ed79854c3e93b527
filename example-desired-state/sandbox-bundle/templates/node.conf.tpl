# written by the sandbox bundle
role = ROLE
runtime = RUNTIME
