"""GitHub and GitHub Enterprise Server, by their REST API and, where that says too little, GraphQL."""
